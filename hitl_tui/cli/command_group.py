"""How a command is found, and how its errors become sentences."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import click

from hitl_tui.errors import HitlError

OWN_OPTIONS = ("--home", "--reviewer")


class Sentences(click.Command):
    """A command whose errors are sentences: exit 1 and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HitlError as error:
            from hitl_tui.sanitize import visible  # its tables cost more than all the rest of `--help`

            click.echo(f"hitl-tui: {visible(str(error))}", err=True)
            ctx.exit(1)
        except UnicodeEncodeError:
            click.echo("hitl-tui: an argument is no text; give it as UTF-8", err=True)
            ctx.exit(1)
        except BrokenPipeError:
            os._exit(0)


class Group(click.Group):
    """Commands, before which `--home` and `--reviewer` may come too."""

    command_class = Sentences
    otherwise: tuple[str, ...] = ()
    """What anything that is no command is given to."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = 0
        while first < len(args) and args[first].startswith(OWN_OPTIONS):
            first += 1 if "=" in args[first] else 2
        if args and args[0] in ("-h", "--help", "--version"):
            pass
        elif first < len(args) and args[first] in self.commands:
            args = [args[first], *args[:first], *args[first + 1 :]]
        else:
            args = [*self.otherwise, *args]
        return super().parse_args(ctx, args)


class Front(Group):
    """Commands whose modules are imported when one of them is called; anything that is no command is a target for the console.

    `families` has the commands of each module in `package`, and for each the first sentence of its help, which lists it. There it is
    called as here, with `_` for `-`.
    """

    otherwise = ("console",)

    def __init__(self, *args: Any, package: str, families: Mapping[str, Mapping[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self._elsewhere = {name: f"{package}.{family}" for family, names in families.items() for name in names}
        for names in families.values():
            for name, sentence in names.items():
                self.add_command(click.Command(name, help=sentence))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if module := self._elsewhere.pop(args[0], None):
            self.add_command(getattr(import_module(module), args[0].replace("-", "_")))
        return super().resolve_command(ctx, args)


def command(name: str | None = None) -> Callable[[Callable[..., Any]], Sentences]:
    """What makes a function a command, called as the function unless it is named."""
    return click.command(name, cls=Sentences)
