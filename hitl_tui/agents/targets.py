"""Parses a TARGET into the local graphs it names; a server's URL would be one more form in `parse`, opened by `worker/process.py`.

Imports neither user code nor LangGraph.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import BadTarget

MANIFEST = "langgraph.json"
SAMPLE = "sample agents"
FORMS = "give a langgraph.json, a folder holding one, file.py:graph, or package.module:graph"


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """Where to find one graph."""

    name: str
    source: str
    """A file's absolute path, or a module's dotted name."""
    attribute: str
    description: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the source is a file. LangGraph's rule: it has a slash, else it is a module."""
        return "/" in self.source


@dataclass(frozen=True, slots=True)
class Target:
    """A project: its graphs, and what they need before they are imported."""

    key: str
    """The project's identity: the target with an absolute path."""
    label: str
    root: Path
    graphs: tuple[GraphSpec, ...]
    paths: tuple[Path, ...] = ()
    """Folders for `sys.path`."""
    env: Mapping[str, str] = field(default_factory=dict)


def sample_agents() -> Path:
    """The folder of the sample agents: beside the package in a checkout, inside the package in a wheel."""
    package = Path(__file__).parents[1]
    installed = package / "_sample_agents"
    return installed if installed.is_dir() else package.parent / "sample_agents"


def here() -> str:
    """The langgraph.json of the current folder, as an absolute path; empty if there is none."""
    manifest = Path(MANIFEST)
    return str(manifest.absolute()) if manifest.is_file() else ""


def or_default(targets: Sequence[str]) -> list[str]:
    """The given targets; without any, the project of the current folder if it has a langgraph.json, else the sample agents."""
    return list(targets) or [here() or str(sample_agents())]


def parse(target: str, cwd: Path | None = None) -> Target:
    """Read a target.

    Raises:
        BadTarget: it has none of the known forms, or its langgraph.json is missing or malformed.
    """
    try:
        return _parse(target, cwd or Path.cwd())
    except (OSError, ValueError) as error:  # a path that is too long, or has a NUL
        raise BadTarget(f"{target[:200]!r} cannot be read: {error if isinstance(error, ValueError) else error.strerror}", FORMS) from None


def root_of(key: str) -> Path | None:
    """The folder of a project, from its key; None if the project is not on this machine."""
    if key == SAMPLE:
        return sample_agents().resolve()
    folder, module, _ = key.partition("::")
    file = key if key.endswith(".json") else key.rpartition(":")[0]
    root = Path(folder) if module else Path(file).parent
    return root if root.is_absolute() else None


def _parse(target: str, cwd: Path) -> Target:
    path = (cwd / Path(target).expanduser()).resolve()
    sample = sample_agents().resolve() / MANIFEST
    if path in (sample, sample.parent):
        return replace(_manifest(sample), key=SAMPLE, label=SAMPLE)  # the same wherever they are installed
    if path.is_dir():
        path = path / MANIFEST
        if not path.is_file():
            raise BadTarget(f"there is no {MANIFEST} in {path.parent}", FORMS)
    if path.is_file() and path.suffix == ".json":
        return _manifest(path)
    source, colon, attribute = target.rpartition(":")
    if not colon or not attribute.isidentifier():
        happened = f"{target} names no graph" if path.exists() else f"there is no {target}"
        raise BadTarget(happened, FORMS)
    return _single(source, attribute, cwd)


def _single(source: str, attribute: str, cwd: Path) -> Target:
    if not source.endswith(".py"):
        if not all(part.isidentifier() for part in source.split(".")):
            raise BadTarget(f"{source}:{attribute} names no graph", FORMS)
        key = f"{cwd}::{source}:{attribute}"
        return Target(key, source, cwd, (GraphSpec(attribute, source, attribute),), (cwd,))
    file = (cwd / Path(source).expanduser()).resolve()
    if not file.is_file():
        raise BadTarget(f"there is no file {source}", FORMS)
    return Target(f"{file}:{attribute}", file.name, file.parent, (GraphSpec(attribute, str(file), attribute),), (file.parent,))


def _manifest(path: Path) -> Target:
    try:
        table = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadTarget(f"{path} cannot be read: {error}", "correct it") from None
    graphs = table.get("graphs") if isinstance(table, dict) else None
    if not isinstance(graphs, dict) or not graphs:
        raise BadTarget(f'{path} has no "graphs"', 'add {"graphs": {"name": "./file.py:graph"}}')
    root = path.parent
    dependencies = table.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(item, str) for item in dependencies):
        raise BadTarget(f'{path}: "dependencies" is not a list of strings', "correct it")
    if "" in graphs:
        raise BadTarget(f"{path} has a graph without a name", "name it")
    specs = tuple(_spec(path, str(name), entry) for name, entry in graphs.items())
    return Target(str(path), root.name, root, specs, _paths(root, dependencies), _env(path, table.get("env", {})))


def _spec(manifest: Path, name: str, entry: Any) -> GraphSpec:
    described = entry if isinstance(entry, dict) else {"path": entry}
    where = described.get("path")
    source, colon, attribute = where.rpartition(":") if isinstance(where, str) else ("", "", "")
    if not (source and colon and attribute):
        raise BadTarget(f"{manifest}: graph {name!r} does not say where it is", 'write it as "./file.py:graph"')
    if "/" in source:
        source = str((manifest.parent / source).resolve())
    return GraphSpec(canonical_json.storable(name), source, attribute, str(described.get("description", "")))


def _paths(root: Path, dependencies: list[str]) -> tuple[Path, ...]:
    local = [root / item for item in dependencies if item.startswith((".", "/"))]
    folders = [root, *local]
    return tuple(dict.fromkeys(p.resolve() for folder in folders for p in (folder, folder / "src") if p.is_dir()))


def _env(manifest: Path, env: Any) -> Mapping[str, str]:
    if isinstance(env, dict):
        return {_variable(manifest, str(key)): _variable(manifest, str(value), value=True) for key, value in env.items()}
    if not isinstance(env, str):
        raise BadTarget(f'{manifest}: "env" is neither a table nor a file\'s name', "correct it")
    file = manifest.parent / env
    if not file.is_file():
        raise BadTarget(f"{manifest}: there is no env file {env}", "make it, or correct the name")
    from dotenv import dotenv_values

    return {key: value for key, value in dotenv_values(file).items() if value is not None}


def _variable(manifest: Path, text: str, value: bool = False) -> str:
    if "\0" in text or (not value and (not text or "=" in text)):
        raise BadTarget(f"{manifest}: {text!r} cannot be an environment variable{chr(39) + 's value' if value else ''}", "correct it")
    return text
