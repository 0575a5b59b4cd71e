"""`--help`: commands in sections, no line cut off, examples that each command accepts, and a hint after a typing mistake."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from hitl_tui.cli import SECTIONS, main

WIDTH = 80


def commands(group: click.Group, ctx: click.Context, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, with the words that call it."""
    for name in group.list_commands(ctx):
        _, command, _ = group.resolve_command(ctx, [name])
        assert command
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, click.Context(command, ctx, name), (*path, name))


ALL = dict(commands(main, click.Context(main)))


def help_of(*words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--help"], prog_name="hitl-tui")
    assert done.exit_code == 0, done.output
    return done.output


def test_commands_are_listed_in_sections_and_each_on_one_line() -> None:
    text = help_of()
    for section, listed in SECTIONS.items():
        assert f"\n{section}:\n" in text
        for name, (_, sentence) in listed.items():
            assert re.search(rf"^  {name} +{re.escape(sentence)}$", text, re.MULTILINE), name


@pytest.mark.parametrize("words", [(), *ALL], ids=" ".join)
def test_help_lines_are_whole_and_fit_a_terminal(words: tuple[str, ...]) -> None:
    text = help_of(*words)
    assert "..." not in text.replace("...]", "").replace("]...", "")
    assert max(map(len, text.splitlines())) <= WIDTH


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_examples_that_it_accepts(words: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("examples")
    found = re.findall(r"^    hitl-tui ?(.*)$", help_of(*words).partition("Example")[2], re.MULTILINE)
    assert found
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("head.txt", "request.json"):
            (folder / name).touch()
        for line in found:
            parse(shlex.split(line.partition(" > ")[0]))


def parse(words: list[str]) -> None:
    """Parse a command line as `main` does, without running the command.

    Raises:
        click.UsageError: a word of it is wrong.
    """
    command: click.Command = main
    ctx, rest = main.make_context("hitl-tui", words), words
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert found
        command, ctx = found, found.make_context(name, rest, parent=ctx)


@pytest.mark.parametrize(
    "words, hint",
    [
        (("lunch", "mail_assistant", "hello"), "there is no command lunch, and no folder of that name; did you mean launch?"),
        (("--home", "here", "quue"), "there is no command quue, and no folder of that name; did you mean queue?"),
        (("autonomy", "acept"), "there is no command acept; did you mean accept?"),
        (("lessons", "lits"), "there is no command lits; did you mean list?"),
    ],
)
def test_unknown_command_suggests_the_nearest_one(words: tuple[str, ...], hint: str) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert hint in done.output
