"""Addresses of LangGraph servers, and the tables of config.toml that say how to connect to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hitl_tui import servers
from hitl_tui.agents.targets import parse, root_of
from hitl_tui.errors import BadHome, BadTarget
from hitl_tui.home import Home
from hitl_tui.servers import ServerTarget
from hitl_tui.settings import Settings, read_settings

TABLE = """
[servers."https://Agents.Example.com/"]
api_key_env = "AGENTS_KEY"
headers_env = {Authorization = "AGENTS_TOKEN"}
ca_file = "/etc/ssl/own.pem"
assistants = ["mail_assistant"]
metadata = {owner = "ann", test = true}
poll_s = 2
"""


def settings(tmp_path: Path, text: str) -> Settings:
    home = Home(tmp_path).prepare()
    home.config.write_text(text)
    return read_settings(home)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("https://agents.example.com", "https://agents.example.com"),
        ("HTTPS://Agents.Example.COM:443/", "https://agents.example.com"),
        ("http://localhost:2024/", "http://localhost:2024"),
        ("http://h:80/team/a/", "http://h/team/a"),
        ("langgraph://localhost:2024", "http://localhost:2024"),
        ("langgraph://agents.example.com", "https://agents.example.com"),
        ("http://[::1]:2024", "http://[::1]:2024"),
    ],
)
def test_address_has_one_form(given: str, stored: str) -> None:
    assert servers.address(given) == stored == servers.address(stored)
    assert (parse(given).key, parse(given).label) == (stored, stored.partition("://")[2])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ftp://h", "ftp:// is no scheme"),
        ("https://", "names no host"),
        ("https://h:99999", "is no address"),
        ("https://h?x=1", "has a query"),
        ("https://h/#top", "has a query or fragment"),
        ("https://[h", "is no address"),
        ("https://\u0430gents.example", "is not in ASCII"),
    ],
)
def test_address_that_is_none_is_refused(given: str, said: str) -> None:
    with pytest.raises(BadTarget, match=said):
        parse(given)


@pytest.mark.parametrize("given", ["https://ann:hunter2@h", "https://hunter2@h:1", "https://ann:hunter2@h:x", "ftp://ann:hunter2@h"])
def test_address_with_a_password_is_refused_without_printing_it(given: str) -> None:
    with pytest.raises(BadTarget) as refused:
        parse(given)
    assert "hunter2" not in str(refused.value)


def test_server_has_no_folder() -> None:
    assert root_of("https://agents.example.com") is None
    assert root_of("http://localhost:2024/langgraph.json") is None


def test_table_says_how_to_connect(tmp_path: Path) -> None:
    (found,) = settings(tmp_path, TABLE).servers.values()
    assert (found.key, found.label) == ("https://agents.example.com", "agents.example.com")
    assert (found.ca, found.assistants, found.poll_s) == (Path("/etc/ssl/own.pem"), ("mail_assistant",), 2.0)
    assert found.metadata == {"owner": "ann", "test": True}
    assert found.secrets({"AGENTS_KEY": " k1 \n", "AGENTS_TOKEN": "Bearer t"}) == {"x-api-key": "k1", "authorization": "Bearer t"}


def test_server_without_a_table_gets_no_key() -> None:
    assert ServerTarget("http://localhost:2024").secrets({"LANGGRAPH_API_KEY": "k", "LANGSMITH_API_KEY": "k"}) == {}


def test_unencrypted_way_is_a_warning() -> None:
    assert parse("http://localhost:2024").warnings == parse("https://10.0.0.1").warnings == ()
    (warning,) = parse("langgraph://10.0.0.1:2024").warnings
    assert warning.startswith("nothing is encrypted")


@pytest.mark.parametrize(("value", "said"), [("", "AGENTS_KEY is not set"), ("a\nb", "no header"), ("schlüssel", "no header")])
def test_secret_that_cannot_be_sent_is_a_sentence_without_it(value: str, said: str) -> None:
    with pytest.raises(BadTarget, match=said) as refused:
        ServerTarget("https://h", "AGENTS_KEY").secrets({"AGENTS_KEY": value})
    assert not value or value not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('api_key = "k"', "unknown key 'api_key'.*api_key_env"),
        ('api_key_env = "sk-12 34"', "name the variable, never its value"),
        ('headers = {Authorization = "Bearer t"}', "unknown key 'headers'.*headers_env"),
        ('headers_env = {"a b" = "c"}', "'a b' is not the name of a header"),
        ('headers_env = {Authorization = "Bearer t"}', "name the variable, never its value"),
        ("headers_env = 1", "headers_env is not a table"),
        ("headers_env = {a = 1}", "not the name of an environment variable"),
        ('ca_file = "own.pem"', "not an absolute path"),
        ('assistants = "mail"', "not a list"),
        ("poll_s = 0", "from 0.1 to 3600"),
        ("metadata = {a = [1]}", "metadata holds something else"),
    ],
)
def test_table_with_a_mistake_is_refused(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(BadHome, match=said):
        settings(tmp_path, f'[servers."https://h"]\n{table}\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('servers = "https://h"', "servers is not a table"),
        ('[servers]\n"https://h" = 1', "is not a table"),
        ("[servers.agents]", "is no scheme"),
        ('[servers."https://h"]\n[servers."https://H/"]', "two tables for https://h"),
    ],
)
def test_tables_that_name_no_server_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadHome, match=said):
        settings(tmp_path, text)
