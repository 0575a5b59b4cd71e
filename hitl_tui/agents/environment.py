"""Runs a worker in the Python environment of its project, with this program's code at the very end of `sys.path`.

LangGraph and everything that is compiled then comes from the project's own environment: site-packages of two environments do not mix, since
compiled modules belong to one version of Python, and one program cannot have two versions of LangChain. A private folder in the home holds
what a worker needs besides: this package, and dependencies of it that any Python can import.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hitl_tui import __version__
from hitl_tui.agents.targets import Target
from hitl_tui.errors import BadTarget
from hitl_tui.home import OWN_PYTHON

FOLDERS = (".venv", "venv")
"""Names of a project's virtual environment."""
OLDEST_PYTHON = (3, 11)
OLDEST_LANGGRAPH = (1, 2, 20)
CARRIED = (
    "hitl_tui", "aiosqlite", "click", "platformdirs", "dotenv", "rich", "pygments", "markdown_it", "mdurl", "psutil", "sqlite_vec",
    "confusable_homoglyphs", "jsonschema", "jsonschema_specifications", "referencing", "attr", "attrs", "typing_extensions",
    "langgraph.checkpoint.sqlite", "langgraph.store.sqlite",
)  # fmt: skip
"""Packages in the private folder, in pure Python or compiled for every Python 3 (`psutil`). A worker imports no others beside LangGraph."""
PROBE = """
import json, sys
from importlib import metadata
try:
    langgraph = metadata.version("langgraph")
except metadata.PackageNotFoundError:
    langgraph = ""
print(json.dumps({"version": sys.version_info[:3], "prefix": sys.prefix, "langgraph": langgraph}))
"""
START = "import sys; sys.path.append({folder!r}); from hitl_tui.__main__ import main; main()"


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python interpreter, and what it has."""

    python: Path
    version: tuple[int, ...]
    prefix: Path
    langgraph: str
    """The installed version of LangGraph; empty if there is none."""

    @property
    def is_own(self) -> bool:
        """Whether it is the environment of this process."""
        return self.prefix.resolve() == Path(sys.prefix).resolve()

    @property
    def problem(self) -> str:
        """Why agents cannot run in it, as a predicate; empty if they can."""
        if self.version < OLDEST_PYTHON:
            return f"is Python {_dotted(self.version)}, and hitl-tui needs {_dotted(OLDEST_PYTHON)} or newer"
        if not self.langgraph:
            return "has no langgraph; install it there"
        if _numbers(self.langgraph) < OLDEST_LANGGRAPH:
            return f"has langgraph {self.langgraph}, and hitl-tui needs {_dotted(OLDEST_LANGGRAPH)} or newer"
        return ""


def environment_of(target: Target, given: str = "") -> tuple[Environment | None, str]:
    """The environment in which a target's agents run, None for that of this process; and why it is not the project's own.

    Args:
        target: the project.
        given: an interpreter or the folder of an environment, which is used without looking for another.

    Raises:
        BadTarget: the given or found environment cannot run agents.
    """
    if given:
        found = _probed(_python_in(Path(given).expanduser().absolute()))
    else:
        pythons = [path for name in FOLDERS if (path := target.root / name / "bin" / "python").exists()]
        if not pythons:
            made_by = next((name for name in ("uv.lock", "pyproject.toml", "requirements.txt") if (target.root / name).is_file()), "")
            return None, f"{made_by} is there and no .venv: the agents run in hitl-tui's own environment" if made_by else ""
        found = _probed(pythons[0])
        if not found.langgraph and not found.is_own:
            return None, f"{pythons[0].parents[1].name} has no langgraph: the agents run in hitl-tui's own environment"
    if found.is_own:
        return None, ""
    if found.problem:
        raise BadTarget(f"the environment of {target.label}, {found.prefix}, {found.problem}", "or choose another with --python PATH")
    return found, ""


def enter(environment: Environment, home: Path, arguments: Sequence[str]) -> None:
    """Replace this process by the same command in another environment.

    Args:
        environment: where to go on.
        home: the home, which holds the private folder.
        arguments: those of the command.
    """
    folder = private_folder(home)
    os.environ[OWN_PYTHON] = sys.executable
    command = [str(environment.python), "-P", "-c", START.format(folder=str(folder)), *arguments]
    os.execv(command[0], command)


def private_folder(home: Path) -> Path:
    """The folder with what a worker needs in another environment: links to this one's packages. It is made at its first use."""
    own = [__version__, *(str(_source(name)) for name in CARRIED)]
    folder = home / "worker_code" / hashlib.sha256("\0".join(own).encode()).hexdigest()[:16]
    if not folder.is_dir():
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        for name in CARRIED:
            source = _source(name)
            place = made.joinpath(*name.split(".")[:-1], source.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(source)
        shutil.copyfile(Path(__file__).with_name("rpds_fallback.py"), made / "rpds.py")
        try:
            made.rename(folder)
        except OSError:  # another worker has made it meanwhile
            shutil.rmtree(made)
    return folder


def _source(name: str) -> Path:
    """The folder of a package, or the file of a module."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None, f"{name} is a dependency"
    path = Path(spec.origin)
    return path.parent if path.name == "__init__.py" else path


def _python_in(path: Path) -> Path:
    python = path / "bin" / "python" if path.is_dir() else path
    if not python.is_file():
        raise BadTarget(f"there is no Python at {path}", "name an interpreter, or the folder of an environment")
    return python


def _probed(python: Path) -> Environment:
    try:
        done = subprocess.run([python, "-I", "-c", PROBE], capture_output=True, text=True, timeout=60, check=True)
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise BadTarget(f"{python} does not run: {error}", "make the environment again, or choose another with --python PATH") from None
    return Environment(python, tuple(found["version"]), Path(found["prefix"]), found["langgraph"])


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (1, 2, 20) of `1.2.20rc1`."""
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:3])


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
