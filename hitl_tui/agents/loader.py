"""Imports users' graphs as `langgraph dev` does, and gives copies of them the console's checkpointer and store."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from hitl_tui.agents.targets import GraphSpec, Target
from hitl_tui.errors import BadTarget, HitlError


@dataclass(frozen=True, slots=True)
class LoadedGraph:
    """One graph of a target: the user's object, or why it could not be imported."""

    spec: GraphSpec
    found: Any = None
    error: str = ""
    traceback: str = ""


def load(target: Target) -> list[LoadedGraph]:
    """Import every graph of a target. Runs user code: a graph that fails carries its error, and the others work."""
    os.environ.update(target.env)
    for path in reversed(target.paths):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
    importlib.invalidate_caches()
    return [_load(target, spec) for spec in target.graphs]


def _load(target: Target, spec: GraphSpec) -> LoadedGraph:
    try:
        module = _import_file(target.root, Path(spec.source)) if spec.is_file else importlib.import_module(spec.source)
        if not hasattr(module, spec.attribute):
            return LoadedGraph(spec, error=f"{Path(spec.source).name} has no {spec.attribute}")
        return LoadedGraph(spec, getattr(module, spec.attribute))
    except BadTarget as error:
        return LoadedGraph(spec, error=str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything: its error is shown
        return LoadedGraph(spec, error=describe(error), traceback=traceback.format_exc())


def own_files(target: Target) -> list[str]:
    """The target's own source files that are loaded, sorted."""
    sources = {spec.source for spec in target.graphs}
    folders = tuple(f"{folder}/" for folder in {target.root, *target.paths})
    loaded = [(name, getattr(module, "__file__", None) or "") for name, module in list(sys.modules.items())]
    own = {file for name, file in loaded if file.startswith(folders) and "/site-packages/" not in file}
    return sorted(own | {file for name, file in loaded if file and (name in sources or file in sources)})


def fingerprint(target: Target) -> str:
    """SHA-256 (hex) of the target's own source files that are loaded. It changes when they do."""
    digest = hashlib.sha256()
    for file in own_files(target):
        with contextlib.suppress(OSError):
            digest.update(f"{file}\0".encode("utf-8", "surrogateescape") + hashlib.sha256(Path(file).read_bytes()).digest())
    return digest.hexdigest()


class LoadedFiles:
    """The target's own source files that are loaded, to notice that one was edited since."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: dict[str, tuple[int, str]] = {}
        self.edited()

    def edited(self) -> bool:
        """Whether a loaded file has another content than when it was first seen. Reads only files with another time."""
        edited = [self._is_edited(file) for file in own_files(self._target)]  # all of them: new files are remembered
        return any(edited)

    def _is_edited(self, file: str) -> bool:
        try:
            at = Path(file).stat().st_mtime_ns
            first = self._known.get(file)
            if first is None:
                self._known[file] = at, _content(file)
                return False
            return at != first[0] and _content(file) != first[1]
        except OSError:  # it is gone, or being written
            return False


def _content(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def describe(error: BaseException) -> str:
    """An exception on one line, for people."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"it called sys.exit({text})"
    return f"{name}: {text[:500]}" if text else name


def explain(error: BaseException) -> str:
    """The sentence for an exception that came out of a graph."""
    if isinstance(error, HitlError):
        return str(error)
    if isinstance(error, GraphRecursionError):
        return f"it went on for too many steps without an end: {describe(error)}"
    if isinstance(error, TypeError) and "serializable" in str(error):
        return f"its state holds something that cannot be stored: {describe(error)}"
    return describe(error)


def _import_file(root: Path, path: Path) -> ModuleType:
    if not path.is_file():
        raise BadTarget(f"there is no file {path}", "correct langgraph.json")
    name = _module_name(root, path)
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadTarget(f"{path} is no Python file", "correct langgraph.json")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: classes in checkpoints are found by this name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(root: Path, path: Path) -> str:
    """The name by which the target's own code would import the file, so that it is loaded once and not twice."""
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    name = ".".join(inside.with_suffix("").parts)
    name = name.removeprefix("src.").removesuffix(".__init__")
    other = sys.modules.get(name)
    taken = name.split(".")[0] in sys.stdlib_module_names or (other is not None and getattr(other, "__file__", None) != str(path))
    return "hitl_project." + "_".join(path.with_suffix("").parts[1:]) if taken else name


@contextlib.asynccontextmanager
async def opened(found: Any, config: RunnableConfig, checkpointer: Any, store: Any) -> AsyncIterator[Pregel[Any, Any, Any, Any]]:
    """A copy of the user's graph, or of what their factory makes for this config, with the console's checkpointer and store.

    Raises:
        BadTarget: the object is not a graph.
    """
    async with contextlib.AsyncExitStack() as stack:
        graph = await _resolve(found, config, stack)
        if isinstance(graph, StateGraph):
            graph = graph.compile()
        if not isinstance(graph, Pregel):
            raise BadTarget(
                f"it is a {type(graph).__name__}, not a graph", "name a compiled graph, a StateGraph, or a function that makes one"
            )
        yield graph.copy(update={"checkpointer": checkpointer, "store": graph.store or store})


async def _resolve(found: Any, config: RunnableConfig, stack: contextlib.AsyncExitStack) -> Any:
    if isinstance(found, Pregel | StateGraph) or not callable(found):
        return found
    made = found(*_arguments(found, config))
    if inspect.isawaitable(made):
        made = await made
    if isinstance(made, contextlib.AbstractAsyncContextManager) and not isinstance(made, Pregel):
        return await stack.enter_async_context(made)
    if isinstance(made, contextlib.AbstractContextManager) and not isinstance(made, Pregel):
        return stack.enter_context(made)
    return made


def _arguments(factory: Any, config: RunnableConfig) -> list[Any]:
    """Arguments for a factory: none, the config, the server's runtime (None here), or both. The annotation tells which is which."""
    parameters = [
        p for p in inspect.signature(factory).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]  # fmt: skip
    if len(parameters) > 2:
        raise BadTarget(
            f"{getattr(factory, '__name__', factory)} wants {len(parameters)} arguments", "a factory takes at most config and runtime"
        )
    return [None if "Runtime" in str(p.annotation) else config for p in parameters]
