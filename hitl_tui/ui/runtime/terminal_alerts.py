"""What the terminal itself shows: its title, its bell and its notices (OSC 9), also from within tmux."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from textual.app import App

from hitl_tui.formatting import counted
from hitl_tui.model import ReviewRow, ReviewState, RunFailure
from hitl_tui.sanitize import one_line
from hitl_tui.settings import Alert, Settings
from hitl_tui.ui.runtime.textual_internals import write_to_terminal

if TYPE_CHECKING:
    from hitl_tui.inbox import Inbox

LONGEST = 300
"""Characters of a notice; terminals cut longer ones anyway."""
KEEP_TITLE, RESTORE_TITLE = "\x1b[22;2t", "\x1b[23;2t"
"""XTerm's sequences, which other terminals ignore."""


def alert(app: App[None], text: str, how: Alert = "both") -> None:
    """Ring the bell, send a notice of one line, or both."""
    notice = f"\x1b]9;{one_line(text, LONGEST)}\x07" if how != "bell" else ""
    write_to_terminal(app, _passed_through(notice, os.environ) + ("\x07" if how != "notice" else ""))


def set_title(app: App[None], text: str) -> None:
    """Set the title of the terminal's window, or of tmux's pane."""
    write_to_terminal(app, f"\x1b]2;{one_line(text, LONGEST)}\x07")


def keep_title(app: App[None]) -> None:
    """Let the terminal remember the title that `restore_title` brings back."""
    write_to_terminal(app, KEEP_TITLE)


def restore_title(app: App[None]) -> None:
    """Bring back the title from before."""
    write_to_terminal(app, RESTORE_TITLE)


class TerminalStatus:
    """Keeps the terminal's title, and alerts of reviews that arrive and runs that fail, as the settings say."""

    def __init__(self, app: App[None], inbox: Inbox, settings: Settings, clock: Callable[[], float]) -> None:
        self._app = app
        self._inbox = inbox
        self._settings = settings
        self._clock = clock
        self._title = ""
        self._arrived_until = clock()

    def show(self, waiting: int, failed: int) -> None:
        """Put the numbers of waiting reviews and unseen failures into the title."""
        parts = [f"{waiting:,} waiting"] * bool(waiting) + [f"{failed:,} failed"] * bool(failed)
        title = f"{' · '.join(parts)} – hitl-tui" if parts else "hitl-tui"
        if self._settings.title and title != self._title:
            if not self._title:
                keep_title(self._app)
            self._title = title
            set_title(self._app, title)

    def leave(self) -> None:
        """Bring the title back that the terminal had before."""
        if self._title:
            restore_title(self._app)

    def arrived(self, changed: Sequence[ReviewRow]) -> None:
        """Alert of reviews that were opened since the last time, all at once."""
        new = [row for row in changed if row.state == ReviewState.OPEN and row.opened_at > self._arrived_until]
        if new:
            self._arrived_until = max(row.opened_at for row in new)
            last = new[-1]
            self._alert(
                "arrival", len(new), "review", "waits", f"{last.title} of {last.agent}", f"{last.title} of {last.agent}: {last.summary}"
            )

    def failed(self, failures: Sequence[RunFailure]) -> None:
        """Alert of failed runs, all at once."""
        last = failures[0]
        self._alert("failure", len(failures), "run", "failed", f"r{last.run} of {last.agent}", f"r{last.run} of {last.agent}: {last.error}")

    def _alert(self, event: str, count: int, noun: str, verb: str, names: str, summary: str) -> None:
        """Alert as the settings say, with no more than `[notify] content` lets out, and not in quiet hours."""
        how = self._settings.alerts.get(event)
        if how is None:
            return
        from hitl_tui.policy.notification import Notify, end_of_quiet

        policy, now = self._inbox.policy.active(), self._clock()
        notify = policy.notify if policy else Notify()
        if end_of_quiet(notify, now) == now:
            known = {"nothing": "", "names": names}.get(notify.content, summary)
            said = f"{counted(count, noun)} {verb.removesuffix('s') if count > 1 else verb}"
            alert(self._app, f"hitl-tui: {said}" + (f", {known}" if known else ""), how)


def _passed_through(sequence: str, environment: Mapping[str, str]) -> str:
    """The sequence as tmux hands it on to the terminal around it, where its `allow-passthrough` is on."""
    if not sequence or not environment.get("TMUX"):
        return sequence
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
