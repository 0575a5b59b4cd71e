"""Imports users' graphs as `langgraph dev` does, and gives copies of them the console's checkpointer and store."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
import typing
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.store.sqlite.base import SqliteIndexConfig
from langgraph_sdk.runtime import ServerRuntime, _ExecutionRuntime, _ReadRuntime  # the alias cannot be constructed: only its members can

from hitl_tui.agents.targets import GraphSpec, Target
from hitl_tui.errors import BadTarget, HitlError
from hitl_tui.foreign_errors import frames_of

NO_SERVER = "'NoneType' object is not callable"
"""What langgraph_sdk's client fails with where it has no URL and no server is in the process."""
QUOTES = "'\""
ASK_INSTEAD = 'from langgraph.types import interrupt; answer = interrupt("your question")'


@dataclass(frozen=True, slots=True)
class LoadedGraph:
    """One graph of a target: the user's object, or why it could not be imported."""

    spec: GraphSpec
    found: Any = None
    error: str = ""
    traceback: str = ""
    module_doc: str = ""
    """The docstring of its module, if that holds no other graph of the target."""


def load(target: Target) -> list[LoadedGraph]:
    """Import every graph of a target. Runs user code: a graph that fails carries its error, and the others work."""
    _prepare(target)
    return [_load(target, spec) for spec in target.graphs]


def _prepare(target: Target) -> None:
    """Set the environment and `sys.path` that the target's code needs."""
    os.environ.update(target.env)
    for path in reversed(target.paths):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
    importlib.invalidate_caches()


def store_index(target: Target) -> tuple[SqliteIndexConfig | None, str]:
    """The index by which the agents' long-term memory is searched, and why it cannot be used. Runs user code.

    `store.index` of the langgraph.json, as LangGraph's server reads it: `dims`, `fields`, and `embed`, which names an embedding model
    (`provider:model`) or a function or object of the project (`./file.py:name`, `module.py:name`).
    """
    wanted = target.store_index
    if wanted is None:
        return None, ""
    _prepare(target)
    try:
        index = SqliteIndexConfig(dims=wanted["dims"], embed=_embeddings(target.root, str(wanted["embed"])))
        if isinstance(fields := wanted.get("fields"), list):
            index["fields"] = [str(field) for field in fields]
        return index, ""
    except BaseException as error:  # noqa: BLE001 - user code may raise anything: the agents run without the index
        why = error.happened if isinstance(error, HitlError) else describe(error)
        return None, f"store.index: agents' memory is not searched by meaning: {why}"


def _embeddings(root: Path, embed: str) -> Any:
    source, colon, attribute = embed.rpartition(":")
    if not (colon and source.endswith(".py")):
        from langchain.embeddings import init_embeddings

        return init_embeddings(embed)
    return getattr(_import_file(root, (root / source).resolve()), attribute)


def _load(target: Target, spec: GraphSpec) -> LoadedGraph:
    if spec.is_javascript:
        return LoadedGraph(spec, error="it is a JavaScript graph, and only Python graphs run here")
    try:
        module = _import_file(target.root, Path(spec.source)) if spec.is_file else importlib.import_module(spec.source)
        if not hasattr(module, spec.attribute):
            return LoadedGraph(spec, error=f"{Path(spec.source).name} has no {spec.attribute}{_graphs_of(module)}")
        is_alone = sum(one.source == spec.source for one in target.graphs) == 1
        return LoadedGraph(spec, getattr(module, spec.attribute), module_doc=(is_alone and module.__doc__) or "")
    except BadTarget as error:
        return LoadedGraph(spec, error=str(error))
    except BaseException as error:  # noqa: BLE001 - user code may raise anything: its error is shown
        return LoadedGraph(spec, error=explain_loading(error), traceback=frames_of(error))


def _graphs_of(module: ModuleType) -> str:
    """A clause on the graphs that a module does have."""
    found = [name for name, value in vars(module).items() if isinstance(value, Pregel | StateGraph) and not name.startswith("_")]
    return f"; its graphs are {', '.join(found)}" if found else ""


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
    """An exception on one line, for people. Never raises."""
    text = _words_of(error)
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"it called sys.exit({text})"
    return f"{name}: {text[:500]}" if text else name


def _words_of(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - the exception's own code fails: its name must do
        return ""


def explain(error: BaseException) -> str:
    """The sentence for an exception that came out of a graph. Never raises."""
    if isinstance(error, HitlError):
        return str(error)
    if isinstance(error, GraphRecursionError):
        return f"it went on for too many steps without an end: {describe(error)}"
    if _reads_keyboard(error):
        return f"its code calls input(), and a worker has no keyboard; ask a person instead: {ASK_INSTEAD}"
    if _came_through(error, "langgraph_sdk") and (type(error).__name__ == "ConnectError" or _words_of(error) == NO_SERVER):
        return "it calls a LangGraph server by langgraph_sdk, and none answers: a worker is no server; pass get_client() the URL of one"
    if isinstance(error, TypeError | OverflowError) and re.search("serializable|64-bit", _words_of(error)):
        return f"its state holds something that cannot be stored: {describe(error)}"
    return _unset_variable(error) or describe(error)


def explain_loading(error: BaseException) -> str:
    """The sentence for an exception that came out of a module or a factory while it was loaded. Never raises."""
    if _reads_keyboard(error):
        return f"its code calls input() while it is loaded, and a worker has no keyboard; ask a person within a node: {ASK_INSTEAD}"
    if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str) and _origin(top := error.name.partition(".")[0]) is None:
        return f"{describe(error)}: {_where_it_is(top, error)}"
    return _unset_variable(error) or describe(error)


def _where_it_is(module: str, error: BaseException) -> str:
    """A clause on a module that cannot be imported: whether it is beside the file that imports it."""
    *_, (last, _) = [(None, 0), *traceback.walk_tb(error.__traceback__)]
    folder = Path(last.f_code.co_filename).parent if last else Path()
    if last and ((folder / f"{module}.py").is_file() or (folder / module).is_dir()):
        return f'it is in {folder}, which is not on the path; add that folder to "dependencies" of langgraph.json'
    return f"it is neither on the project's path nor installed in {sys.prefix}"


def _reads_keyboard(error: BaseException) -> bool:
    kinds = ((EOFError, "reading a line"), (RuntimeError, "input(): lost sys."))
    return any(isinstance(error, kind) and words in _words_of(error) for kind, words in kinds)


def _unset_variable(error: BaseException) -> str:
    """The sentence for a name that `os.environ` does not have; empty for other exceptions."""
    frames = list(traceback.walk_tb(error.__traceback__)) if isinstance(error, KeyError) else []
    if not frames or (frames[-1][0].f_globals.get("__name__"), frames[-1][0].f_code.co_name) != ("os", "__getitem__"):
        return ""
    return f"the environment variable {_words_of(error).strip(QUOTES)} is not set: put it into the project's env file"


def _came_through(error: BaseException, package: str) -> bool:
    """Whether code of a package was running when an exception was raised."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(str(frame.f_globals.get("__name__", "")).partition(".")[0] == package for frame, _ in frames)


def _import_file(root: Path, path: Path) -> ModuleType:
    """Import a file: a part of a package by its dotted name, as its own code imports it, and any other file by its path."""
    if not path.is_file():
        raise BadTarget(f"there is no file {path}", "correct langgraph.json")
    if name := _name_in_package(path):
        return importlib.import_module(name)
    name = _module_name(root, path)
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadTarget(f"{path} is no Python file", "correct langgraph.json")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: classes in checkpoints are found by this name
    spec._initializing = True  # type: ignore[attr-defined]  # as importlib says it, so that errors of circular imports name their cause
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        spec._initializing = False  # type: ignore[attr-defined]
    return module


def _name_in_package(path: Path) -> str:
    """The dotted name of a file inside a package whose folder is on `sys.path`; empty for other files.

    Also empty if the name belongs to another module, such as one of the standard library.
    """
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    parts = path.relative_to(folder).with_suffix("").parts
    if (
        len(parts) == 1
        or not all(part.isidentifier() for part in parts)
        or not any(Path(entry or ".").resolve() == folder for entry in sys.path)
    ):
        return ""
    top = _origin(parts[0])
    if top is None or Path(top).resolve().parent != folder / parts[0]:
        return ""
    return ".".join(parts).removesuffix(".__init__")


def _origin(name: str) -> str | None:
    """The file of a top-level module, without importing it."""
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(name)
        return spec.origin if spec else None
    return None


def _module_name(root: Path, path: Path) -> str:
    """The name by which the target's own code would import the file, so that it is loaded once and not twice."""
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    name = ".".join(inside.with_suffix("").parts)
    name = name.removeprefix("src.").removesuffix(".__init__")
    other = sys.modules.get(name)
    taken = name.split(".")[0] in sys.stdlib_module_names or (other is not None and getattr(other, "__file__", None) != str(path))
    return "hitl_project." + "_".join(path.with_suffix("").parts[1:]) if taken else name


@contextlib.asynccontextmanager
async def opened(
    found: Any, config: RunnableConfig, checkpointer: Any, store: Any, runtime: _ExecutionRuntime[Any] | _ReadRuntime[Any] | None = None
) -> AsyncIterator[Pregel[Any, Any, Any, Any]]:
    """A copy of the user's graph, or of what their factory makes for this config, with the console's checkpointer and store.

    Args:
        found: the object that the target names.
        config: what a factory gets as its config.
        checkpointer: LangGraph's saver for the copy.
        store: LangGraph's store for the copy, unless the graph has one.
        runtime: what a factory gets as LangGraph's `ServerRuntime`; by default that of somebody who only reads the graph.

    Raises:
        BadTarget: the object is not a graph.
    """
    runtime = runtime or _ReadRuntime(access_context="assistants.read", store=store)
    async with contextlib.AsyncExitStack() as stack:
        graph = await _resolve(found, config, runtime, stack)
        if isinstance(graph, StateGraph):
            graph = graph.compile()
        if not isinstance(graph, Pregel):
            raise _no_graph(graph)
        yield graph.copy(update={"checkpointer": checkpointer, "store": graph.store or store})


def _no_graph(found: Any) -> BadTarget:
    kind = "class" if isinstance(found, type) else type(found).__name__
    return BadTarget(f"it is a {kind}, not a graph", "name a compiled graph, a StateGraph, or a function that makes one")


def execution_runtime(store: Any, context: Any) -> _ExecutionRuntime[Any]:
    """LangGraph's `ServerRuntime` for a factory whose graph will run with this context."""
    return _ExecutionRuntime(access_context="threads.create_run", store=store, context=context)


async def _resolve(found: Any, config: RunnableConfig, runtime: Any, stack: contextlib.AsyncExitStack) -> Any:
    if isinstance(found, Pregel | StateGraph) or not callable(found):
        return found
    positional, named = _arguments(found, config, runtime)
    made = found(*positional, **named)
    if inspect.isawaitable(made):
        made = await made
    if isinstance(made, contextlib.AbstractAsyncContextManager) and not isinstance(made, Pregel):
        return await stack.enter_async_context(made)
    if isinstance(made, contextlib.AbstractContextManager) and not isinstance(made, Pregel):
        return stack.enter_context(made)
    return made


def _arguments(factory: Any, config: RunnableConfig, runtime: Any) -> tuple[list[Any], dict[str, Any]]:
    """Arguments for a factory, by position and by name: LangGraph's runtime where annotated, the config for the first other.

    As LangGraph's own server does (langgraph-api 0.16, `_factory_utils`), a default does not keep them away. More parameters need defaults.

    Raises:
        BadTarget: the factory wants something else.
    """
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # such as a TypedDict
        raise _no_graph(factory) from None
    parameters = [p for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    hints = _annotations(factory)
    runtimes = [p for p in parameters if _is_runtime(hints.get(p.name, p.annotation))][:1]
    configs = [p for p in parameters if p not in runtimes][:1]
    given = {p.name: value for found, value in ((runtimes, runtime), (configs, config)) for p in found}
    if any(p.name not in given and p.default is p.empty for p in parameters):
        wanted = sum(p.default is p.empty for p in parameters)
        raise BadTarget(f"{getattr(factory, '__name__', factory)} wants {wanted} arguments", "a factory takes at most config and runtime")
    positional = [given[p.name] for p in parameters if p.name in given and p.kind is p.POSITIONAL_ONLY]
    return positional, {p.name: given[p.name] for p in parameters if p.name in given and p.kind is not p.POSITIONAL_ONLY}


def _annotations(factory: Any) -> dict[str, Any]:
    """The annotations of a factory; LangGraph's own names are known to it, even if it imports them for type checkers only."""
    known = {"ServerRuntime": ServerRuntime, "RunnableConfig": RunnableConfig}
    try:
        return typing.get_type_hints(factory if inspect.isroutine(factory) else type(factory).__call__, localns=known)
    except Exception:  # noqa: BLE001 - annotations are user code
        return {}


def _is_runtime(annotation: Any) -> bool:
    """Whether an annotation means LangGraph's `ServerRuntime`, with or without its context type, or in a union."""
    if annotation is ServerRuntime or (isinstance(annotation, type) and issubclass(annotation, _ExecutionRuntime | _ReadRuntime)):
        return True
    if isinstance(annotation, str):
        return "ServerRuntime" in annotation
    return typing.get_origin(annotation) is ServerRuntime or any(map(_is_runtime, typing.get_args(annotation)))
