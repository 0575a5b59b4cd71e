"""How commands are found, how `--help` lists them, and how their errors are printed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from hitl_tui.errors import HitlError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMON_OPTIONS = ("--home", "--reviewer")


class Command(click.Command):
    """A command that prints a `HitlError` as one line on stderr and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HitlError as error:
            from hitl_tui.sanitize import visible  # slow to import: its character tables cost more than the rest of `--help`

            click.echo(f"hitl-tui: {visible(str(error))}", err=True)
            ctx.exit(1)
        except UnicodeEncodeError:
            click.echo("hitl-tui: an argument is not text; pass it as UTF-8", err=True)
            ctx.exit(1)


class Group(click.Group):
    """A group whose commands also accept `--home` and `--reviewer` in front of their name."""

    command_class = Command
    default_command = ""
    """The command that runs when the arguments name none; empty if one must be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = 0
        while first < len(args) and args[first].startswith(COMMON_OPTIONS):
            first += 1 if "=" in args[first] else 2
        word = args[first] if first < len(args) else ""
        if args and args[0] in ("-h", "--help", "--version"):
            pass
        elif ctx.resilient_parsing and not word:  # a shell completes the name of the command
            args = args[first:]
        elif word in self.commands:
            args = [word, *args[:first], *args[first + 1 :]]
        elif self.default_command:
            if not ctx.resilient_parsing:
                self.check_default(ctx, word)
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)

    def check_default(self, ctx: click.Context, word: str) -> None:
        """Refuse a first word that is neither a command nor an argument of the default command, which takes none.

        Raises:
            click.UsageError: `word` is unknown; the message suggests the nearest command.
        """
        if word and not word.startswith("-"):
            raise click.UsageError(f"there is no command {word}; {self.nearest(word)}", ctx)

    def nearest(self, word: str) -> str:
        """A hint at the command whose name is closest to `word`."""
        from hitl_tui.suggest import did_you_mean

        return did_you_mean(word, self.commands)


class ListByDefault(Group):
    """A group that runs its command `list` when no command is named."""

    default_command = "list"


class LazyGroup(Group):
    """The top-level group. It imports a command's module when the command is called; any other argument is a target for the console.

    `sections` maps a heading of `--help` to its commands, and each command to its module in `package` and its one-line help. The command
    is the module's function of that name, with `_` for `-`.
    """

    default_command = "console"

    def __init__(self, *args: Any, package: str, sections: Mapping[str, Mapping[str, tuple[str, str]]], **more: Any) -> None:
        super().__init__(*args, **more)
        self._sections = sections
        self._modules: dict[str, str] = {}
        for commands in sections.values():
            for name, (module, sentence) in commands.items():
                self._modules[name] = f"{package}.{module}"
                self.add_command(click.Command(name, help=sentence))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if module := self._modules.pop(args[0], None):
            self.add_command(getattr(import_module(module), args[0].replace("-", "_")))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete a command or an option; of what is neither, the file that is a target."""
        from click.shell_completion import CompletionItem

        return super().shell_complete(ctx, incomplete) or [CompletionItem(incomplete, type="file")]

    def check_default(self, ctx: click.Context, word: str) -> None:
        """Refuse a plain word that names no file or folder: it is a mistyped command, not a target."""
        if word and not word.startswith("-") and not set(word) & set("./:") and not os.path.exists(word):
            raise click.UsageError(f"there is no command {word}, and no folder of that name; {self.nearest(word)}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section, in the order in which people meet them."""
        width = max(map(len, self.commands))
        for heading, commands in self._sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), sentence) for name, (_, sentence) in commands.items()])


def command(*examples: str) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a top-level command of the same name, with `-` for `_`, and end its help with examples."""
    return click.command(cls=Command, epilog=example(*examples))


def example(*lines: str) -> str:
    """The end of a command's help: command lines to copy, printed as they are."""
    return "\b\n" + "\n".join([f"Example{'s' * (len(lines) > 1)}:", *(f"  {line}" for line in lines)])
