"""`hitl-tui completion`: prints the script by which a shell completes command lines."""

from __future__ import annotations

import click

from hitl_tui.cli.command_group import command

COMPLETING = "_HITL_TUI_COMPLETE"
"""Set by the scripts when they ask for completions; `hitl_tui/__main__.py`, which cannot wait for click's import, has it too."""
SHELLS = ("bash", "zsh", "fish")


@command("hitl-tui completion bash", "hitl-tui completion zsh", "hitl-tui completion fish")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands in a shell.

    \b
    bash: eval "$(hitl-tui completion bash)" in ~/.bashrc
    zsh:  eval "$(hitl-tui completion zsh)" in ~/.zshrc, after compinit
    fish: hitl-tui completion fish > ~/.config/fish/completions/hitl-tui.fish

    Completes commands, options and their values: agents, reviews, runs and lessons of the home.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "hitl-tui", COMPLETING).source(), nl=False)
