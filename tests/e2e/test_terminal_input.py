"""Raw bytes in a pseudo-terminal: what is held, pasted or broken decides nothing, and every end restores the terminal."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.ui.input_filter import ALONE_S
from tests.benchmarks.resume import GRAPHS
from tests.benchmarks.rows import seed_home
from tests.benchmarks.startup import console_command
from tests.benchmarks.terminal import terminal, terminal_of
from tests.support.keyboard import Keyboard
from tests.support.terminal_sessions import RecordedTerminal
from tests.support.tiers import sampled
from tests.support.tmux import Tmux, needs_tmux, tmux

AGENT = f"{GRAPHS}:asking"
PRESS, REPEAT, RELEASE = b"1", b"2", b"3"
"""Events of a key in Kitty's protocol."""
RESTORED = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?1003l", b"\x1b[?1006l", b"\x1b[?2004l", b"\x1b[?1004l", b"\x1b[<u")
"""Sequences that leave the alternate screen and turn off mouse, paste and focus reports and Kitty's keys."""


@pytest.fixture(scope="module")
def keyboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyboard]:
    home = seed_home(tmp_path_factory.mktemp("input"), 80)
    with terminal(console_command(home.path, AGENT), {"TMUX": ""}) as screen:
        screen.until(b"approve")
        keyboard = Keyboard(screen, home)
        keyboard.settle()
        yield keyboard


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param([b"banana"], id="several keys"),
        pytest.param([b"a plan for the day\r"], id="several keys and enter", marks=pytest.mark.slow),
        pytest.param([b"\x1b[200~log: \x1b a\x1b[201~"], id="escape in a paste", marks=pytest.mark.slow),
        pytest.param([b"\x1b[200~log: \x1b[31", b"m a \r a", b"\x1b", b"[20", b"1~"], id="paste in pieces"),
        pytest.param([b"\xe4", b"\xff\xfe", b"\xc3"], id="not UTF-8", marks=pytest.mark.slow),
        pytest.param(
            [b"\x1b[97;99999999999u", b"\x1b[<9;9", b"\x1b]52;c;a\x07", b"\x1b[1;1:9u"], id="broken sequences", marks=pytest.mark.slow
        ),
        pytest.param([b"\x1ba", b"\x1b!"], id="alt", marks=pytest.mark.slow),
    ],
)
def test_what_nobody_pressed_decides_nothing(keyboard: Keyboard, reads: list[bytes]) -> None:
    decisions, runs = keyboard.count("decisions"), keyboard.count("runs")
    keyboard.type(*reads)
    keyboard.settle()
    assert (keyboard.count("decisions"), keyboard.count("runs")) == (decisions, runs)


@pytest.mark.slow
def test_an_unbracketed_paste_is_said_to_be_ignored(keyboard: Keyboard) -> None:
    keyboard.type(b"banana")
    keyboard.screen.until(b"several keys came at once")


@pytest.mark.slow
@pytest.mark.parametrize(("first_delay_s", "per_s"), sampled([(0.5, 30), (0.25, 10), (0.25, 40), (0.66, 10), (0.66, 40)]))
def test_a_held_key_decides_once_and_is_said_to_be_held(keyboard: Keyboard, first_delay_s: float, per_s: float) -> None:
    decisions = 0
    for _ in range(5):
        keyboard.settle()
        keyboard.screen.drain(0.8)
        decisions = keyboard.count("decisions")
        if keyboard.hold(b"a", first_delay_s, 1 / per_s, repeats=40) < ALONE_S:  # else this process was late, and sent taps
            break
    keyboard.screen.until(b"key is held down")
    keyboard.settle()
    assert keyboard.count("decisions") == decisions + 1


@pytest.mark.slow
def test_taps_each_decide(keyboard: Keyboard) -> None:
    keyboard.screen.drain(0.8)
    decisions = keyboard.count("decisions")
    keyboard.type(*[b"a"] * 6, pause_s=0.5)  # so close that they might be repeats; not so close that a busy machine paints late
    keyboard.until_count("decisions", decisions + 6)


@pytest.mark.slow
def test_taps_at_three_a_second_each_decide(keyboard: Keyboard) -> None:
    decided = 0
    for _ in range(5):  # a busy machine paints late, and keys that come before that are rightly ignored
        keyboard.settle()
        keyboard.screen.drain(0.8)
        decisions = keyboard.count("decisions")
        keyboard.type(*[b"a"] * 6, pause_s=1 / 3)
        keyboard.settle()
        if (decided := keyboard.count("decisions") - decisions) == 6:
            break
    assert decided == 6


@pytest.mark.slow
def test_copy_sends_the_value_exactly(keyboard: Keyboard) -> None:
    keyboard.settle()
    keyboard.press_until(b"y", b"What goes to the clipboard")
    keyboard.type(b"1")
    keyboard.screen.until_still(0.3)  # keys of one read would be a paste
    keyboard.screen.send(b"\r")
    assert keyboard.clipboard() in [next(iter(args.values())) for args in arguments(keyboard)]


@pytest.mark.slow
def test_drag_and_ctrl_c_copy_what_was_selected(keyboard: Keyboard) -> None:
    keyboard.settle()
    for data in (b"\x1b[<0;62;6M", b"\x1b[<32;90;7M", b"\x1b[<32;110;9M", b"\x1b[<0;110;9m"):
        keyboard.type(data)
    keyboard.screen.until_still(0.3)
    keyboard.screen.send(b"\x03")
    copied = keyboard.clipboard().split("\n")
    assert len(copied) > 1
    assert any(all(line in json.dumps(args, ensure_ascii=False) for line in copied) for args in arguments(keyboard))


@pytest.mark.slow
def test_moving_keys_act_while_they_are_held_and_several_at_once(keyboard: Keyboard) -> None:
    keyboard.settle()
    keyboard.type(b"jjj" * 5)
    keyboard.settle()
    keyboard.type(*[b"k"] * 15, pause_s=1 / 30)
    keyboard.settle()


def test_a_dialog_answers_once(keyboard: Keyboard) -> None:
    keyboard.screen.drain(0.8)
    decisions = keyboard.count("decisions")
    keyboard.press_until(b"r", b"Reject")
    keyboard.type(b"nay a", b"\r\r")
    keyboard.until_count("decisions", decisions + 1)
    keyboard.settle()
    assert keyboard.count("decisions") == decisions + 1


def test_a_paste_in_a_dialog_submits_nothing(keyboard: Keyboard) -> None:
    decisions = keyboard.count("decisions")
    keyboard.press_until(b"r", b"Reject")
    keyboard.type(b"\x1b[200~red \x1b[31mtext\x1b[0m\r\x1b[201~", b"one\rtwo\r")
    keyboard.screen.until(b"two")
    keyboard.type(b"\x1b")
    keyboard.settle()
    assert keyboard.count("decisions") == decisions


def arguments(keyboard: Keyboard) -> list[Any]:
    """The arguments of all calls in the home."""
    with sqlite3.connect(keyboard.home.database) as db:
        return [json.loads(args) for (args,) in db.execute("SELECT args FROM actions")]


def kitty_key(key: str, event: bytes) -> bytes:
    """A letter as a terminal reports it that has Kitty's protocol with all of its reports on."""
    text = b"" if event == RELEASE else b";%d" % ord(key)
    modifiers = b"2" if key.isupper() else b"1" if event != PRESS else b""
    modifiers += b":" + event if event != PRESS else b""
    return b"\x1b[%d;%s%su" % (ord(key.lower()), modifiers, text)


@pytest.mark.slow
def test_a_terminal_that_reports_repeats_is_believed(tmp_path: Path) -> None:
    home = seed_home(tmp_path, 12)
    with terminal(console_command(home.path, AGENT)) as screen:
        screen.until(b"\x1b[?u")
        [pushed], [added] = (re.findall(pattern, screen.before) for pattern in (rb"\x1b\[>(\d+)u", rb"\x1b\[=(\d+);2u"))
        screen.send(b"\x1b[?%du" % (int(pushed) | int(added)))
        screen.until(b"approve")
        keyboard = Keyboard(screen, home)
        keyboard.settle()
        keyboard.type(kitty_key("a", PRESS), *[kitty_key("a", REPEAT)] * 3, pause_s=0.8)  # so slow that times alone would say taps
        keyboard.screen.until(b"key is held down")
        keyboard.type(kitty_key("a", RELEASE))
        keyboard.settle()
        assert keyboard.count("decisions") == 1
        keyboard.type(*[kitty_key("J", event) for _ in range(3) for event in (PRESS, RELEASE)], pause_s=0.02)  # and so fast, held
        keyboard.screen.until(b"4 marked")


@pytest.mark.parametrize("number", sampled([signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT]))
def test_a_signal_ends_the_console_and_restores_the_terminal(tmp_path: Path, number: signal.Signals) -> None:
    with terminal(console_command(tmp_path, AGENT)) as screen:
        screen.until(b"Nothing waits")
        os.kill(screen.pid, number)
        drawn = screen.wait()
        assert screen.exit_code == 128 + number
        assert all(sequence in drawn for sequence in RESTORED)


@pytest.mark.slow
def test_the_console_ends_with_its_terminal(tmp_path: Path) -> None:
    with terminal(console_command(tmp_path, AGENT)) as screen:
        screen.until(b"Nothing waits")
        screen.hang_up()
        assert screen.exit_code == 128 + signal.SIGHUP


@pytest.mark.slow
def test_the_console_when_continued_while_it_paints_goes_on(tmp_path: Path) -> None:
    with terminal(console_command(tmp_path, AGENT)) as screen:
        screen.until(b"Nothing waits")
        for count in range(60):
            os.kill(screen.pid, signal.SIGCONT)
            screen.drain(0.004 * (count % 5))
        screen.press_until(b"?", b"ctrl")  # what is typed before the console is drawn again is discarded


@pytest.mark.slow
def test_a_crash_of_the_input_thread_is_no_success(tmp_path: Path) -> None:
    broken = f"""
import sys
from hitl_tui.__main__ import main
from hitl_tui.ui.input_filter import InputFilter
def feed(self, data, now):
    raise ZeroDivisionError("broken on purpose")
InputFilter.feed = feed
sys.argv = ["hitl-tui", "--home", {str(tmp_path)!r}, {AGENT!r}]
main()
"""
    with terminal([sys.executable, "-c", broken]) as screen:
        screen.until(b"Nothing waits")
        screen.send(b"j")
        drawn = screen.wait()
        assert screen.exit_code == 1 and all(sequence in drawn for sequence in RESTORED)
        log = tmp_path / "logs" / "console.log"
        told = (
            f"hitl-tui: the console failed: ZeroDivisionError: broken on purpose; what you decided is stored; the traceback is in {log}\r\n"
        )
        assert drawn.endswith(told.encode()) and b"Traceback" not in drawn
        assert "in feed" in log.read_text()


@pytest.mark.slow
def test_a_console_that_draws_nowhere_else_takes_the_terminal_of_its_output(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with terminal(["sh", "-c", f'exec "$0" "$@" 2>{errors}', *console_command(tmp_path / "home", AGENT)]) as screen:
        screen.until(b"Nothing waits")
        screen.send(b"q")
        screen.wait()
        assert screen.exit_code == 0 and errors.read_text() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("streams", "env", "told"),
    [
        ("<&-", {}, b"the console needs a terminal; without one"),
        ("</dev/null", {}, b"the console needs a terminal; without one"),
        ("", {"PYTHONIOENCODING": "latin-1"}, b"the console needs a terminal with UTF-8, not iso8859-1: set LANG=C.UTF-8"),
        ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, b"the console needs a terminal with UTF-8, not "),
    ],
)
def test_a_console_that_cannot_be_used_says_so(tmp_path: Path, streams: str, env: dict[str, str], told: bytes) -> None:
    with terminal(["sh", "-c", f'exec "$0" "$@" {streams}', *console_command(tmp_path, AGENT)], env) as screen:
        drawn = screen.wait()
        assert screen.exit_code == 1 and drawn.startswith(b"hitl-tui: " + told) and drawn.count(b"\n") == 1


EDITORS = {
    "a key for itself": ("trap 'echo interrupted >> \"$1\"; exit 0' INT; kill -INT 0; sleep 5", b"interrupted"),
    "modes of the terminal": ('stty raw -echo; echo left raw >> "$1"', b"left raw"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", EDITORS)
def test_an_editor_keeps_its_signals_and_leaves_the_terminal_usable(tmp_path: Path, what: str) -> None:
    script, left = EDITORS[what]
    home, editor = seed_home(tmp_path / "home", 3), tmp_path / "editor"
    editor.write_text(f"#!/bin/bash\n{script}\n")
    editor.chmod(0o700)
    with terminal_of(RecordedTerminal, console_command(home.path, AGENT), {"EDITOR": str(editor), "VISUAL": ""}) as screen:
        screen.until(b"approve")
        Keyboard(screen, home).settle()
        screen.send(b"r")
        screen.until(b"Reject")
        screen.send(b"\x05")
        screen.until(left)
        screen.send(b"\x1b")
        screen.drain(0.5)
        screen.send(b"q")
        screen.wait()
        assert (screen.exit_code, screen.unrestored()) == (0, [])


@pytest.mark.slow
def test_a_large_paste_goes_into_a_field_and_a_larger_one_is_refused(tmp_path: Path) -> None:
    home = seed_home(tmp_path, 3)
    with terminal_of(RecordedTerminal, console_command(home.path, AGENT)) as screen:
        screen.until(b"approve")
        keyboard = Keyboard(screen, home)
        keyboard.settle()
        screen.send(b"r")
        screen.until(b"Reject")
        paste(screen, b"a long line of text\r" * 50_000)
        screen.drain(3.0)
        paste(screen, b"x" * (1 << 20) + b"y\r")
        screen.until(b"more than 1 MB")
        screen.drain(1.0)
        screen.send(b"\r")
        keyboard.until_count("decisions", 1)
        with sqlite3.connect(home.database) as db:
            ((message,),) = db.execute("SELECT message FROM decisions").fetchall()
        assert message == "\n".join(["a long line of text"] * 50_000)


def paste(screen: RecordedTerminal, text: bytes) -> None:
    data = b"\x1b[200~" + text + b"\x1b[201~"
    for start in range(0, len(data), 2000):
        screen.send(data[start : start + 2000])
        screen.drain(0.001)


@needs_tmux
def test_ctrl_z_goes_to_the_shell_and_fg_draws_everything_again(tmp_path: Path) -> None:
    with tmux(["bash", "--norc", "-i"]) as screen:
        screen.type(shlex.join(console_command(tmp_path, AGENT)))
        screen.keys("Enter")
        screen.until("Nothing waits", "F2 Runs")
        screen.keys("C-z")
        screen.until("Stopped")
        screen.type('clear; fg; echo "[exit $?]"')
        screen.keys("Enter")
        screen.until("Nothing waits", "F2 Runs")
        screen.keys("q")
        screen.until("[exit 0]")


@pytest.mark.slow
@needs_tmux
def test_ctrl_z_in_an_editor_goes_to_the_shell_and_fg_goes_on(tmp_path: Path) -> None:
    home, editor = seed_home(tmp_path / "home", 3), tmp_path / "editor"
    editor.write_text('#!/bin/bash\necho "the editor waits"\nread line\necho "$line" >> "$1"\n')
    editor.chmod(0o700)
    with tmux(["bash", "--norc", "-i"]) as screen:
        screen.type(f"EDITOR={editor} VISUAL= {shlex.join(console_command(home.path, AGENT))}")
        screen.keys("Enter")
        screen.until("approve")
        screen.until_true(lambda _: _opened_by(screen, "r", "does not run"), "the dialog never opened")
        screen.keys("C-e")
        screen.until("the editor waits")
        screen.keys("C-z")
        screen.until("Stopped")
        screen.type("clear; fg")
        screen.keys("Enter")
        screen.until_true(lambda shown: "Stopped" not in shown, "it never went on")
        screen.type("from the editor")
        screen.keys("Enter")
        screen.until("from the editor", "does not run")


def _opened_by(screen: Tmux, key: str, text: str) -> bool:
    screen.keys(key)
    return text in screen.screen()


@needs_tmux
def test_copy_in_tmux_sets_its_buffer_exactly(tmp_path: Path) -> None:
    home = seed_home(tmp_path, 1)
    with sqlite3.connect(home.database) as db:
        args = json.loads(db.execute("SELECT args FROM actions").fetchone()[0])
    with tmux(console_command(home.path, AGENT)) as screen:
        screen.until("approve")
        screen.keys("y")
        if len(args) > 1:
            screen.until("What goes to the clipboard")
            screen.keys("1")
            screen.until("▌1")
            screen.keys("Enter")
        screen.until("copied")
        value = next(iter(args.values()))
        assert screen.run("show-buffer") == (value if isinstance(value, str) else json.dumps(value))
