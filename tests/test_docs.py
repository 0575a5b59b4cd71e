"""README and docs: every code block runs as it is printed, every link has its target.

The shell blocks of a page run one after another in a fresh home. Not run is what installs, what runs the tests, and what needs another
machine or terminal; opening the console becomes listing the agents of its targets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.cli import SECTIONS
from hitl_tui.cli.drill import read_calls
from hitl_tui.home import Home
from hitl_tui.model import EVERYBODY
from hitl_tui.people import parser as people_parser
from hitl_tui.policy.parser import parse_with_problems
from hitl_tui.settings import read_settings
from hitl_tui.ui.commands import COMMANDS as COMMAND_KEYS
from hitl_tui.ui.commands import all_keys
from tests.support import shell
from tests.support.harness import ForkServer, Sandbox

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "sample_agents" / "README.md"]
NOT_RUN = ("pip install", "uvx ", "pipx ", "uv run", "python -m tests", "ssh ", "tmux ")
COMMANDS = {name for commands in SECTIONS.values() for name in commands}
AGENT = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict):
    text: str

def make_graph():
    builder = StateGraph(State)
    builder.add_node("only", lambda state: {})
    builder.add_edge(START, "only")
    builder.add_edge("only", END)
    return builder.compile()

graph = make_graph()
"""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def with_blocks(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def every_block(language: str) -> Iterator[Any]:
    for page in with_blocks(language):
        for number, text in enumerate(blocks(page, language)):
            yield pytest.param(text, id=f"{name_of(page)}-{number}")


def without_console(args: Sequence[str]) -> list[str]:
    """Replace the console, which needs a terminal, by `agents` on the same targets."""
    is_console = not args or (args[0] not in COMMANDS and not args[0].startswith("-"))
    return ["agents", *args] if is_console else list(args)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the targets named in the README."""
    for path in ("path/to/agent.py", "agent.py", "my_package/agents.py", "my_package/__init__.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(AGENT)
    (tmp_path / "path/to/langgraph.json").write_text('{"dependencies": ["."], "graphs": {"agent": "./agent.py:graph"}}')
    return tmp_path


def test_every_key_of_the_readme_is_a_key_of_the_console() -> None:
    table = (ROOT / "README.md").read_text().partition("## Keys")[2].partition("\n\nA key that")[0]
    named = {key for row in table.splitlines() for cell in row.split("|")[1:4:2] for key in re.findall(r"`([^`]+)`", cell)}
    known = {key for command in COMMAND_KEYS for key in all_keys(command.id, {}).split()} | {"1", "9", "ctrl+p"}
    assert len(named) > 40 and named <= known, named - known


@pytest.mark.slow
@pytest.mark.parametrize("page", with_blocks("sh"), ids=name_of)
def test_shell_blocks_run_as_printed(page: Path, fork_server: ForkServer, project: Path) -> None:
    scripts = [text for text in blocks(page, "sh") if not any(word in text for word in NOT_RUN)]
    bin_, work = project / "bin", project
    bin_.mkdir()
    with shell.hitl_tui_on_path(fork_server, bin_, without_console) as env:
        done = shell.run("set -x\n" + "\n".join(scripts), work, {**env, "HITL_TUI_HOME": str(project / "home")})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("text", every_block("python"))
def test_python_blocks_run_as_printed(text: str) -> None:
    exec(compile(text, "block", "exec"), {"__name__": "block"})


@pytest.mark.parametrize("text", every_block("toml"))
def test_toml_blocks_are_valid(text: str, tmp_path: Path) -> None:
    if text.startswith("# policy.toml"):
        program = people_parser.parse_with_problems('[[person]]\nname = "tickets"')[0] if "[decider]" in text else EVERYBODY
        assert parse_with_problems(text, people=program)[1] == []
    elif text.startswith("# people.toml"):
        assert people_parser.parse_with_problems(text)[1] == []
    elif text.startswith("# calls.toml"):
        (tmp_path / "calls.toml").write_text(text)
        assert read_calls(tmp_path / "calls.toml")
    else:
        assert text.startswith("# config.toml")
        (tmp_path / "config.toml").write_text(text)
        read_settings(Home(tmp_path))


@pytest.mark.slow
def test_json_blocks_have_the_keys_the_program_prints(new_sandbox: Any) -> None:
    sandbox: Sandbox = new_sandbox(str(ROOT / "sample_agents"))
    sandbox.cli("launch", "mail_assistant", "delete the newsletter")
    assert sandbox.run_until_idle() == 0
    sandbox.cli("decide", "1#1", "approve", "--grace", "10m")
    queue, runs = (json.loads(text) for text in blocks(ROOT / "docs/command-line.md", "json"))
    shown = sandbox.cli_json("show", "1")
    for documented, real in ((queue[0], shown), (runs[0], sandbox.cli_json("runs")[0])):
        assert documented.keys() <= real.keys()
    for part in ("actions", "decisions"):
        assert queue[0][part][0].keys() <= shown[part][0].keys()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_links_have_a_target(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Return the anchors GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_table_of_contents_and_in_the_readme() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert f"({page.name})" in (ROOT / "docs/README.md").read_text() or page.name == "README.md"
        assert f"(docs/{page.name})" in (ROOT / "README.md").read_text()


def test_readme_gives_the_figures_of_the_evidence_page() -> None:
    page, readme = (" ".join((ROOT / name).read_text().split()) for name in ("docs/evidence.md", "README.md"))
    unseen = page.partition("## Suites that nobody tuned for")[2].partition("## ")[0]

    def shares(arm: str) -> list[str]:
        cells = unseen.partition(f"| {arm} |")[2].split(" | ")
        return [cell.strip().partition(" (")[0] for cell in cells]

    rules, reader, denying = (shares(arm) for arm in ("rules", "+ second reader", "+ limits that deny"))
    said = readme.partition("## Does it help?")[2].partition("## ")[0]
    assert f"with {rules[2]} of the questions that asking about everything takes" in said
    assert f"{rules[0]} of it is left, and {reader[0]} with a second reader beside them" in said
    assert f"{denying[0]} where each run is launched with limits that deny" in said
    bad = page.partition("calls that run unasked | bad among them")[2].partition("| rules | ")[2].split(" | ")[1]
    assert ("keep all bad writes from running unasked" in said) == (bad.split(" |")[0] == "0.00 %")
    assert ("It holds nowhere" in page) == ('So "90 % fewer errors" is not what it shows' in said)
