"""Async methods as workers of a widget."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVarTuple

from textual.dom import DOMNode

Args = TypeVarTuple("Args")


def start_worker(owner: DOMNode, group: str, method: Callable[[*Args], Awaitable[Any]], *args: *Args, exclusive: bool = False) -> None:
    """Run an async method as a worker of a widget, which ends with it.

    It is called only when the worker begins. A coroutine that was made before is one that nobody awaits if the console ends meanwhile.

    Args:
        owner: the widget, screen or app.
        group: of workers, within which one that is `exclusive` ends the others.
    """
    work: Any = functools.partial(method, *args)
    owner.run_worker(work, group=group, exclusive=exclusive)
