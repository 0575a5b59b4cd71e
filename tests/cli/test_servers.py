"""Commands on LangGraph servers that cannot be used: each ends with a sentence."""

from __future__ import annotations

import pytest

from tests.support.harness import SandboxFactory
from tests.support.servers import free_port

pytestmark = pytest.mark.slow  # each loads a target in a process of its own


def test_agents_of_a_server_that_is_away_is_a_sentence(new_sandbox: SandboxFactory) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    said = new_sandbox(url).cli_error("agents", url)
    assert said == f"{url} cannot be loaded: {url[7:]} cannot be used: nothing answers there; try again once it can"


def test_run_on_a_server_that_is_away_is_a_sentence(new_sandbox: SandboxFactory) -> None:
    url = f"langgraph://localhost:{free_port()}"
    said = new_sandbox(url).cli_error("run", url, "mail", "hello")
    assert said.endswith("cannot be used: nothing answers there; try again once it can")


def test_key_that_is_not_set_is_a_sentence(new_sandbox: SandboxFactory) -> None:
    url = f"http://localhost:{free_port()}"
    sandbox = new_sandbox(url)
    sandbox.home.config.write_text(f'[servers."{url}"]\napi_key_env = "NO_SUCH_KEY"\n')
    assert "NO_SUCH_KEY is not set, which should hold the x-api-key of" in sandbox.cli_error("agents", url)


@pytest.mark.parametrize("command", [["agents"], ["worker"], ["doctor"]], ids=" ".join)
def test_address_with_a_password_is_refused_by_every_command(new_sandbox: SandboxFactory, command: list[str]) -> None:
    said = new_sandbox("pauses").cli_error(*command, "https://ann:hunter2@agents.example.com")
    assert said.startswith("the address of agents.example.com holds a name or password") and "hunter2" not in said


def test_python_of_a_server_is_refused(new_sandbox: SandboxFactory) -> None:
    assert "runs its agents itself" in new_sandbox("pauses").cli_error("worker", "--python", "python3", "https://agents.example.com")
