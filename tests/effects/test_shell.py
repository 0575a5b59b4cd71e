"""Shell scripts are split into the commands that bash runs, or they count as unparseable."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.effects import programs
from hitl_tui.effects.shell import Command, Script, parse, parse_words
from tests.effects.bash_trace import SILENT, BashSandbox, fits
from tests.effects.shell_corpus import CASES
from tests.support.properties import examples

MAY_RUN_LESS = re.compile(
    r"&&|\|\||\b(?:if|while|until|for|case|xargs|find|exec|builtin|timeout|exit|return|fg)\b| -[ip] |/dev/tcp|> [\"$]|%1"
)
"""What lets bash run fewer of the commands, or run them where the sandbox does not see it."""


def listed(script: Script) -> str | None:
    """The programs of a script with those that start them, or None if it was not split; `>` is a redirection alone."""
    return None if script.problem else " | ".join(" ".join([*one.under, one.program or ">"]) for one in script.commands)


def test_every_script_of_the_corpus_is_split_as_expected() -> None:
    assert len(CASES) >= 500
    assert {text: listed(parse(text)) for text, _ in CASES} == dict(CASES)


def runs_a_file(commands: tuple[Command, ...]) -> bool:
    calls = [programs.shell_call(one.program, one.arguments) for one in commands]
    return any(call and call.is_file for call in calls)


def reads_profiles(commands: tuple[Command, ...]) -> bool:
    """Check for a login shell, whose startup files are not the script's."""
    return any(
        programs.shell_call(one.program, one.arguments) and any("l" in (word or "") for word in one.arguments[:3]) for one in commands
    )


def compare(sandbox: BashSandbox, text: str, is_exact: bool) -> None:
    """Run a script that was split: bash runs nothing else, changes no file unless a command writes, and in order runs all of it."""
    script = parse(text)
    if script.problem or any("/" in one.program for one in script.commands):
        return
    if runs_a_file(script.commands) or reads_profiles(script.commands):
        return
    ran = sandbox.runs(text)
    changed, before = sandbox.files() != sandbox.before, sandbox.files()
    sandbox.reset()
    if ran is None:
        return  # bash refuses all of it
    for run in ran:
        assert any(fits(one, run) for one in script.commands), (text, run, script.commands)
    assert not changed or any(one.effects.writes is not False for one in script.commands), (text, before)
    if is_exact and not MAY_RUN_LESS.search(text):
        for one in script.commands:
            assert one.program in SILENT or any(fits(one, run) for run in ran), (text, one, ran)


@pytest.mark.slow
def test_split_scripts_of_the_corpus_run_in_bash_as_they_were_split(tmp_path: Path) -> None:
    sandbox = BashSandbox(tmp_path)
    for text, expected in CASES:
        if expected is not None:
            compare(sandbox, text, is_exact=True)


WORDS = r"""
    ls rm git a b -l ; | & && || ' " \ $ $x ${x} ` $( ) ( ! < > >> <<< = x= if then fi do done esac ;; * ? [ ] -f \; 2>&1 &> |& {a,b} ~ 1
    $(( )) 1+1 $# ${#x} <( $@ eval coproc else elif é % @ ^ , : + -c y #
"""
TOKENS = [
    *WORDS.split(), *[" "] * 12, *["\n"] * 3, "\\\n", "{ ", " }", " #", "<<EOF\n", "\nEOF\n", "<<'EOF'\n", "$'", "\\'", "for i in ",
    "while ", "case a in ", "a)", "[[ ", " ]]", "xargs ", "env ", "sh -c ", "sudo ", "find . -exec ", "time ", "export ", "echo ", "\t",
    "${x:-", "${x#", "function f", "() ", "nice ", "read y", "\r",
]  # fmt: skip
SCRIPTS = st.tuples(
    st.sampled_from(["", "ls ", "echo ", "rm a; ", "sh -c '", "ls | ", "x=1; "]),
    st.lists(st.sampled_from(TOKENS), max_size=14).map("".join),
).map("".join)


@pytest.mark.slow
def test_scripts_of_random_parts_run_nothing_that_was_not_split(tmp_path: Path) -> None:
    sandbox = BashSandbox(tmp_path)

    @examples(40)
    @given(SCRIPTS)
    def check(text: str) -> None:
        compare(sandbox, text, is_exact=False)

    check()


def one(text: str) -> Command:
    """The last command of a script."""
    script = parse(text)
    assert not script.problem, script.problem
    return script.commands[-1]


@pytest.mark.parametrize(
    ("text", "writes", "deletes", "network"),
    [
        ("ls", False, False, False), ("ls > a", True, False, False), ("ls > /dev/null 2>&1", False, False, False),
        ("ls > $x", True, False, None), ("rm a", True, True, False), ("find . -delete", True, True, None),
        ("find . -name a", False, False, False), ("frobnicate", None, None, None), ("git status", False, False, False),
        ("git push", True, None, True), ("git clean -fd", True, True, None), ("git log --output=a", None, None, None),
        ("git log --outp=a", None, None, None), ("sort a", False, False, False), ("sort -o a b", True, None, None),
        ("sort --compress-program=rm a", None, None, None), ("uniq a", False, False, False), ("uniq a b", None, None, None),
        ("uniq - b", None, None, None), ("uniq -- -a b", None, None, None), ("git cat-file --filters a", None, None, None),
        ("sed -n 1,5p a", False, False, False), ("sed -i s/a/b/ a", True, None, None), ("sed 's/a/b/e' a", None, None, None),
        ("curl https://example.com", None, None, True), ("cat < /dev/tcp/example.com/80", False, False, True),
        ("git --no-pager log", None, None, None), ("rsync --delete a b", True, True, True), ("rsync a b", True, None, True),
        ("A=b ls", None, None, None), ("LANG=C ls", False, False, False), ("ls | xargs rg", None, None, None),
        ("rg a --pre rm", None, None, None), ("date -s now", None, None, None), ("awk '{print}' a", None, None, None),
    ],
)  # fmt: skip
def test_effects_of_a_command_are_told_only_where_they_are_certain(
    text: str, writes: bool | None, deletes: bool | None, network: bool | None
) -> None:
    effects = one(text).effects
    assert (effects.writes, effects.deletes, effects.network) == (writes, deletes, network)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("curl -s https://Example.com:8080/a", ("example.com",)), ("ssh bob@web-07 ls", ("web-07",)), ("scp a bob@web-07:/b", ("web-07",)),
        ("git clone git@github.com:a/b.git", ("github.com",)), ("ping -c1 example.com", ("example.com",)),
        ("curl https://user:x@evil.org/", ("evil.org",)), ("curl -s", ()), ("nc -l 80", ("80",)),
    ],
)  # fmt: skip
def test_network_targets_are_the_hosts_that_arguments_name(text: str, hosts: tuple[str, ...]) -> None:
    assert one(text).effects.hosts == hosts


def test_unknown_arguments_and_written_files_are_marked() -> None:
    command = one('cp a "$x" *.py b > c 2>> "$y"')
    assert command.arguments == ("a", None, None, "b")
    assert command.written == ("c", "?")


def test_a_redirection_after_a_list_is_that_of_its_last_command() -> None:
    assert [one.written for one in parse("ls && rm a | cat > b; date").commands] == [(), (), ("b",), ()]
    assert [one.written for one in parse("ls && { rm a; date; } > b").commands] == [(), ("b",), ("b",)]


def test_scripts_that_are_too_large_are_unparseable() -> None:
    for text in ("ls;" * 10_000, "ls;" * 1000, "(" * 500 + "ls" + ")" * 500, "sh -c " * 50, "echo " + "$(" * 100 + ")" * 100, "a|" * 2000):
        assert parse(text).problem


def test_scripts_within_scripts_are_split_to_a_depth() -> None:
    def nested(depth: int) -> str:
        return f"sh -c {shlex.quote(nested(depth - 1))}" if depth else "ls"

    assert (listed(parse(nested(3))) or "").endswith("sh sh sh ls")
    assert "too deep" in parse(nested(8)).problem
    assert "too deep" in parse("nice " * 8 + "ls").problem
    assert "nested too deeply" in parse("( " * 65 + "ls" + " )" * 65).problem
    assert "nested too deeply" in parse("echo " + "$(echo " * 40 + ")" * 40).problem


def test_a_program_without_a_shell_is_one_command_by_its_words() -> None:
    assert listed(parse_words(("git", "log", "; rm a"))) == "git"
    assert listed(parse_words(("sudo", "sh", "-c", "ls; rm a"))) == "sudo | sudo sh | sudo sh ls | sudo sh rm"
    assert parse_words(()).problem and parse_words(("eval", "ls")).problem and parse_words(("ls", "a\0b")).problem
    assert "too deep" in parse_words(("nice",) * 9 + ("ls",)).problem


@examples(2)
@given(st.text(max_size=80) | SCRIPTS)
def test_any_text_is_split_or_has_a_problem(text: str) -> None:
    script = parse(text)
    assert isinstance(script, Script) and not (script.problem and script.commands)
