from typing import Any

from kinds import graph_by

sequence = graph_by("sequence").compile() | (lambda state: state)
number = 5


def raises() -> Any:
    raise ValueError("the factory has a bad day")


def leaves() -> Any:
    raise SystemExit(3)


def makes_nothing() -> None:
    pass


def wants_much(a: Any, b: Any, c: Any) -> None:
    pass
