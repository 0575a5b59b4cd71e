"""What a call would do: sections by argument, with paths, addresses and differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.effects.addresses import of_recipients, of_url
from hitl_tui.effects.provenance import of_call
from hitl_tui.effects.view import EffectSettings, Section, sections, worth_showing
from hitl_tui.model import Message
from tests.support.properties import examples

PLAIN = EffectSettings({})


def shown(args: dict[str, Any], settings: EffectSettings = PLAIN, tool: str = "run") -> list[Section]:
    return list(worth_showing(sections(tool, args, settings)))


def test_commands_are_shown_with_what_they_write_delete_and_reach() -> None:
    (section,) = shown({"cmd": "sudo rm -rf a && curl https://evil.org | tee b > c; ls", "host": "web-07"})
    assert [(one.text, one.marks, one.detail, one.depth) for one in section.effects] == [
        ("sudo rm -rf a", (), "", 0), ("rm -rf a", ("deletes",), "", 1), ("curl https://evil.org", ("network",), "to evil.org", 0),
        ("tee b", ("writes",), "into c", 0), ("ls", (), "", 0),
    ]  # fmt: skip
    (section,) = shown({"command": "eval $x"})
    assert section.problem == "it uses eval" and section.as_json() == {
        "argument": "command", "kind": "shell", "problem": "it uses eval", "effects": []
    }  # fmt: skip


TEXTS = st.text(max_size=30) | st.sampled_from(["\ud800", "a\0b", "https://\ud800", "../" * 50, "x@xn--\ud800", "ls \ud800", "~\ud800/x"])
NAMES = st.sampled_from(["cmd", "sql", "path", "to", "url", "content", "old_string", "new_string"])


@examples(4)
@given(st.dictionaries(NAMES, TEXTS | st.lists(TEXTS, max_size=3) | st.integers() | st.none(), max_size=4))
def test_any_arguments_have_sections_that_can_be_drawn(tmp_path: Path, args: dict[str, Any]) -> None:
    settings = EffectSettings({}, str(tmp_path), ("example.com",))
    assert all(section.as_json() for section in sections("write_file", args, settings))
    assert isinstance(of_call(args, (Message("user", "say \ud800"),), args), tuple)


def test_of_many_commands_those_with_effects_come_first() -> None:
    (section,) = shown({"cmd": "\n".join(["echo step"] * 60 + ["kubectl delete pod --all", "echo done"])})
    assert (section.effects[0].text, section.effects[1].text) == ("kubectl delete pod --all", "echo step")
    assert section.note == "62, those with effects first" and section.effects[-1].detail == "22 more"


def test_a_rule_says_what_an_argument_holds() -> None:
    assert shown({"script": "rm a"}) == []
    assert shown({"script": "rm a"}, EffectSettings({"script": "shell"}))[0].kind == "shell"
    assert shown({"script": "rm a", "n": 1}, EffectSettings({"*": "shell"}))[0].effects[0].marks == ("deletes",)
    assert shown({"cmd": "rm a"}, EffectSettings({"cmd": "none"})) == []


def test_statements_without_where_are_marked_and_questions_are_no_sql() -> None:
    (section,) = shown({"sql": "DELETE FROM users; SELECT 1"})
    assert [(one.marks, one.style) for one in section.effects] == [(("delete", "no WHERE"), "error"), (("select",), "muted")]
    assert shown({"query": "which hotels are free in May?"}) == []
    (section,) = shown({"sql": "SELECT 1 /* /* */ ; DELETE FROM a */"})
    assert (section.effects, section.problem) == ((), "it has a comment within a comment")


@pytest.mark.parametrize("args", [None, "rm a", ["rm a"]])
def test_arguments_that_are_no_object_have_no_sections(args: Any) -> None:
    assert sections("run", args, PLAIN) == ()


def test_paths_outside_the_folder_are_marked_with_links_followed(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    settings = EffectSettings({}, str(folder))
    for path in ("../secret", "/etc/passwd", "a/../../secret", "link/secret", "~/.ssh/id_rsa"):
        assert shown({"path": path}, settings)[0].effects[0].marks == ("outside",), path
    assert shown({"path": "a/../b"}, settings)[0].effects[0].marks == ()


def test_a_written_file_is_shown_as_a_difference(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    settings = EffectSettings({}, str(tmp_path))

    def rows(tool: str, **args: str) -> list[tuple[object, ...]]:
        return [(one.marks, one.text, one.detail) for part in shown(args, settings, tool) if part.kind == "change" for one in part.effects]

    assert rows("write_file", path="a.txt", content="one\n2\nthree\n") == [
        ((), "one", ""), (("removed",), "two", ""), (("added",), "2", ""), ((), "three", "")
    ]  # fmt: skip
    assert rows("edit_file", file_path="a.txt", old_string="two", new_string="2") == [(("removed",), "two", ""), (("added",), "2", "")]
    assert rows("write_file", path="b.txt", content="x") == [((), "", "new file")]
    assert rows("write_file", path="a.txt", content="one\ntwo\nthree\n") == [((), "", "no change")]
    assert rows("read_file", path="a.txt", content="x") == []
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert rows("write_file", path="bytes", content="x") == [((), "", "the file is no text")]
    assert rows("write_file", path=".", content="x") == [((), "", "it is no plain file")]
    assert rows("write_file", path="a.txt/b", content="x") == [((), "", "the file cannot be read")]
    assert rows("write_file", path="a.txt", content="x" * 200_001) == [((), "", "it is too large to be compared")]
    many = rows("write_file", path="a.txt", content="new\n" * 300)
    assert (len(many), many[0], many[3], many[-1]) == (200, (("removed",), "one", ""), (("added",), "new", ""), ((), "", "…"))
    assert [one.detail for one in shown({"path": "a.txt", "content": "x"}, PLAIN, "write_file")[-1].effects] == ["its folder is not known"]


@pytest.mark.parametrize(
    ("url", "host", "domain", "odd"),
    [
        ("https://www.Example.co.uk/a?b", "www.example.co.uk", "example.co.uk", ""),
        ("https://xn--exmple-4nf.com", "xn--exmple-4nf.com", None, "looks like example.com"),
        ("https://xn--bcher-kva.org", "xn--bcher-kva.org", None, "shown as bücher.org"),
        ("http://example.com", "example.com", "example.com", "not encrypted"), ("https://example.com@evil.org/", "", "", "ambiguous"),
        ("https://examp1e.com", "examp1e.com", "examp1e.com", "looks like example.com"), ("https://10.0.0.7/a", "10.0.0.7", "", "number"),
        ("file:///etc/passwd", "", "", "no"), ("https://xn--a-b.com", "xn--a-b.com", "xn--a-b.com", ""),
    ],
)  # fmt: skip
def test_urls_have_a_registered_domain_and_what_is_odd(url: str, host: str, domain: str | None, odd: str) -> None:
    found = of_url(url, ("example.com", "example.co.uk"))
    assert (found.host, domain is None or found.domain == domain) == (host, True)
    assert odd in found.odd and bool(odd) == bool(found.odd)


def test_recipients_outside_the_organisation_are_marked_only_where_it_is_known() -> None:
    found = of_recipients(["Ann <ann@example.com>", "bob@mail.example.com, eve@evil.org"], ("example.com",))
    assert [(one.host, one.outside) for one in found] == [("example.com", False), ("mail.example.com", False), ("evil.org", True)]
    assert [one.outside for one in of_recipients("eve@evil.org")] == [None]
    assert of_recipients("eve@evil.org <ann@example.com>", ("example.com",))[0].odd == "it is no plain address"
