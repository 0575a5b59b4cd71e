"""Parses a TARGET into the local graphs or the LangGraph server that it names; `worker/process.py` opens the source of each.

Imports neither user code nor LangGraph.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hitl_tui import canonical_json, servers
from hitl_tui.errors import BadTarget
from hitl_tui.home import sample_agents
from hitl_tui.servers import ServerTarget as ServerTarget

MANIFEST = "langgraph.json"
SAMPLE = "sample agents"
EXAMPLES = ("example", "sample", "template", "dist")
"""Endings of the files that show what an env file should hold."""
FORMS = "give a langgraph.json, a folder holding one, file.py:graph, package.module:graph, or the URL of a LangGraph server"


IGNORED = {
    "configurable_headers": "there are no HTTP headers: `--config` of `launch` gives runs these values",
    "auth": "nobody logs in here; nodes get no `langgraph_auth_user`",
    "encryption": "checkpoints are stored as they are, readable by you alone",
    "priority": "runs start in the order in which they were launched",
    "webhooks": "nothing is posted when a run ends; `[notify]` of policy.toml can tell other programs",
    "ui": "components for a browser are not shown",
    "ui_config": "components for a browser are not shown",
    "dockerfile_lines": "no image is built: install by hand what these lines install",
    "base_image": "no image is built",
    "image_distro": "no image is built",
    "pip_config_file": "nothing is installed: install the project's dependencies yourself",
    "source": "nothing is installed: install the project's dependencies yourself",
}
"""Settings of langgraph.json that describe a server or its image, and what it means that they have no effect."""
USED = frozenset({"graphs", "dependencies", "env", "store", "python_version", "checkpointer", "http", "$schema"})
WITHOUT_MEANING = frozenset({"node_version", "pip_installer", "keep_pkg_tools", "api_version"})
"""Settings of an image or a JavaScript runtime, which nobody misses here."""
JAVASCRIPT = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
IGNORED_PARTS = {
    "http": {
        "app": "routes of its own are not served",
        "configurable_headers": "there are no HTTP headers: `--config` of `launch` gives runs these values",
        "cors": "nothing is served",
        "mount_prefix": "nothing is served",
    },
    "store": {"ttl": "agents' memory is kept until it is deleted"},
    "checkpointer": {
        "path": "checkpoints are stored by hitl-tui",
        "ttl": "threads are kept until `hitl-tui prune`",
        "serde": "only types that the graphs declare are rebuilt",
    },
}


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """Where to find one graph."""

    name: str
    source: str
    """A file's absolute path, or a module's dotted name."""
    attribute: str
    description: str = ""

    @property
    def is_javascript(self) -> bool:
        """Whether the source is a JavaScript or TypeScript file."""
        return self.source.endswith(JAVASCRIPT)

    @property
    def is_file(self) -> bool:
        """Whether the source is a file, given by its absolute path, else it is a module."""
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
    store_index: Mapping[str, Any] | None = None
    """`store.index` of the langgraph.json: how agents' long-term memory is searched by meaning."""
    warnings: tuple[str, ...] = ()
    """What of the langgraph.json has no effect here, one sentence each."""


AnyTarget = Target | ServerTarget


def here() -> str:
    """The langgraph.json of the current folder, as an absolute path; empty if there is none."""
    manifest = Path(MANIFEST)
    return str(manifest.absolute()) if manifest.is_file() else ""


def or_default(targets: Sequence[str]) -> list[str]:
    """The given targets; without any, the project of the current folder if it has a langgraph.json, else the sample agents."""
    return list(targets) or [here() or str(sample_agents())]


def parse(target: str, cwd: Path | None = None) -> AnyTarget:
    """Read a target.

    Raises:
        BadTarget: it has none of the known forms, or its langgraph.json is missing or malformed.
    """
    if servers.is_url(target):
        return ServerTarget(servers.address(target))
    return parse_local(target, cwd)


def parse_local(target: str, cwd: Path | None = None) -> Target:
    """Read a target on this machine; errors as `parse`."""
    try:
        return _parse(target, cwd or Path.cwd())
    except (OSError, ValueError) as error:  # a path that is too long, or has a NUL
        raise BadTarget(f"{target[:200]!r} cannot be read: {error if isinstance(error, ValueError) else error.strerror}", FORMS) from None


def root_of(key: str) -> Path | None:
    """The folder of a project, from its key; None if the project is not on this machine."""
    if key == SAMPLE:
        return sample_agents().resolve()
    place = _place(key)
    return place if place is None or _names_module(key) else place.parent


def worker_command(key: str, home: str = "") -> str:
    """The shell command that starts a worker of a project, from its key; `home` is an option that names the home, or empty."""
    folder, names_module, module = key.partition("::") if not servers.is_url(key) else ("", "", "")
    target = module if names_module else str(sample_agents()) if key == SAMPLE else key
    command = " ".join(["hitl-tui worker", *([home] if home else []), shlex.quote(target)])
    return f"cd {shlex.quote(folder)} && {command}" if names_module else command


def is_gone(key: str) -> bool:
    """Whether a project of this machine is no longer where its key says."""
    place = _place(key)
    return place is not None and not place.exists()


def _names_module(key: str) -> bool:
    return "::" in key


def _place(key: str) -> Path | None:
    """The langgraph.json, file or folder that a key names; None for servers, the sample agents, and what is no absolute path."""
    if servers.is_url(key) or key == SAMPLE:
        return None
    place = Path(key.partition("::")[0] if _names_module(key) else key if key.endswith(".json") else key.rpartition(":")[0])
    return place if place.is_absolute() else None


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
        table = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadTarget(f"{path} cannot be read: {error}", "correct it") from None
    graphs = table.get("graphs") if isinstance(table, dict) else None
    if not graphs:
        raise BadTarget(f'{path} has no "graphs"', 'add {"graphs": {"name": "./file.py:graph"}}')
    if not isinstance(graphs, dict):
        raise BadTarget(f'{path}: "graphs" is no table of graphs by name', 'write {"graphs": {"name": "./file.py:graph"}}')
    root = path.parent
    dependencies = table.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(item, str) for item in dependencies):
        raise BadTarget(f'{path}: "dependencies" is not a list of strings', "correct it")
    if "" in graphs:
        raise BadTarget(f"{path} has a graph without a name", "name it")
    specs = tuple(_spec(path, str(name), entry) for name, entry in graphs.items())
    env, missing = _env(path, table.get("env", {}))
    absent = [item for item in dependencies if _is_local(item) and not (root / item).exists()]
    warnings = (*missing, *(f"dependencies: there is no {item}" for item in absent), *ignored_settings(table))
    return Target(str(path), root.name, root, specs, _paths(root, dependencies), env, _store_index(table), warnings)


def _spec(manifest: Path, name: str, entry: Any) -> GraphSpec:
    described = entry if isinstance(entry, dict) else {"path": entry}
    where = described.get("path")
    source, colon, attribute = where.rpartition(":") if isinstance(where, str) else ("", "", "")
    if not (source and colon and attribute):
        raise BadTarget(f"{manifest}: graph {name!r} does not say where it is", 'write it as "./file.py:graph"')
    if "/" in source or (source.endswith(".py") and (manifest.parent / source).is_file()):
        source = str((manifest.parent / source).resolve())
    return GraphSpec(canonical_json.storable(name), source, attribute, str(described.get("description", "")))


def _paths(root: Path, dependencies: list[str]) -> tuple[Path, ...]:
    local = [root / item for item in dependencies if _is_local(item)]
    folders = [root, *local]
    return tuple(dict.fromkeys(p.resolve() for folder in folders for p in (folder, folder / "src") if p.is_dir()))


def _is_local(dependency: str) -> bool:
    """Whether a dependency is a path, and no package of an index."""
    return dependency.startswith((".", "/"))


def _env(manifest: Path, env: Any) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The variables of the manifest's `env`, and a warning where it names a file that does not exist."""
    if isinstance(env, dict):
        return {_variable(manifest, str(key)): _variable(manifest, str(value), value=True) for key, value in env.items()}, ()
    if not isinstance(env, str):
        raise BadTarget(f'{manifest}: "env" is neither a table nor a file\'s name', "correct it")
    file = manifest.parent / env
    if file.is_file():
        return {key: value for key, value in _dotenv(file).items() if value is not None}, ()
    return {}, (f"there is no env file {env}{_unset_variables(file)}",)


def _dotenv(file: Path) -> Mapping[str, str | None]:
    from dotenv import dotenv_values

    return dotenv_values(file)


def _unset_variables(env_file: Path) -> str:
    """A clause on the variables that an example beside a missing env file lists, and that are not set."""
    for example in (f"{env_file.name}.{word}" for word in EXAMPLES):
        if (file := env_file.parent / example).is_file():
            unset = [name for name in _dotenv(file) if not os.environ.get(name)]
            return f"; of the variables in {example} these are not set: {', '.join(unset)}" if unset else ""
    return ""


def _store_index(table: Mapping[str, Any]) -> Mapping[str, Any] | None:
    store = table.get("store")
    index = store.get("index") if isinstance(store, dict) else None
    return index if isinstance(index, dict) and index.get("embed") and isinstance(index.get("dims"), int) else None


def ignored_settings(table: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence for each setting of a langgraph.json that has no effect here, and what that means.

    Source: the schema of langgraph-cli 0.4 (`langgraph_cli.schemas.Config`).
    """
    found = [f"{name}: {meaning}" for name, meaning in IGNORED.items() if table.get(name)]
    for part, settings in IGNORED_PARTS.items():
        given = table.get(part)
        if isinstance(given, dict):
            found += [f"{part}.{name}: {meaning}" for name, meaning in settings.items() if given.get(name)]
    if isinstance(table.get("store"), dict) and table["store"].get("index") and _store_index(table) is None:
        found.append('store.index: it needs "embed" and "dims"; agents\' memory is searched by words only')
    known = {*IGNORED, *USED, *WITHOUT_MEANING}
    found += [f"{name}: no setting of langgraph.json has this name" for name in table if name not in known and not name.startswith("_")]
    wanted = table.get("python_version")
    if isinstance(wanted, str) and wanted.split("-")[0] != f"{sys.version_info.major}.{sys.version_info.minor}":
        found.append(f"python_version: the project wants Python {wanted}, and this is {sys.version_info.major}.{sys.version_info.minor}")
    return tuple(found)


def _variable(manifest: Path, text: str, value: bool = False) -> str:
    if "\0" in text or (not value and (not text or "=" in text)):
        raise BadTarget(f"{manifest}: {text!r} cannot be an environment variable{chr(39) + 's value' if value else ''}", "correct it")
    return text
