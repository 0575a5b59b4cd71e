"""The input filter as a function of bytes and times: what is a key, what is a paste, and what is a held key."""

from __future__ import annotations

import asyncio
import signal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.app import App
from textual.geometry import Size
from textual.message import Message

from hitl_tui.ui.input_filter import (
    LEAVING_S,
    STALLED_S,
    FilteredLinuxDriver,
    InputFilter,
    KeysRead,
    PasteRefused,
    Press,
    PressSettled,
    plain_text,
)

KITTY_ON = b"\x1b[?31u"


def replay(*reads: tuple[float, bytes]) -> list[Message]:
    """The messages of reads at these times, with everything that comes due between and after them."""
    input_filter = InputFilter()
    found: list[Message] = []
    for at, data in (*reads, (1e6, b"")):
        while (due := input_filter.deadline) is not None and due <= at:
            found += input_filter.expire(due)
        if data:
            found += input_filter.feed(data, at)
    return found


def one_read(data: bytes) -> list[Message]:
    return replay((1.0, data))


def keys(messages: list[Message]) -> list[str]:
    return [key.key for message in messages if isinstance(message, KeysRead) for key in message.keys]


def pastes(messages: list[Message]) -> list[str]:
    return [message.text for message in messages if isinstance(message, events.Paste)]


def acts(messages: list[Message]) -> int:
    """How many of the keys act if each may act only once while it is held."""
    taps = [key.press for message in messages if isinstance(message, KeysRead) for key in message.keys]
    return taps.count(Press.TAP) + sum(message.is_tap for message in messages if isinstance(message, PressSettled))


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"a", "a"), (b"\r", "enter"), (b"\x1b", "escape"), (b"\x1b[A", "up"), (b"\x1bOP", "f1"), (b"\x1b[[A", "f1"), (b"\x1ba", "alt+a"),
        (b"\x1b[15~", "f5"), (b"\x1b[97;5u", "ctrl+a"), ("ä".encode(), "ä"), (b"\xe4", "replacement_character"),
        (b"\xed\xa0\x80", "replacement_character"), (b"\x1b[", "alt+left_square_bracket"), (b"\x1b[97;;97u", "a"),
    ],
)  # fmt: skip
def test_one_key(data: bytes, key: str) -> None:
    found = one_read(data)
    assert set(keys(found)) == {key} and isinstance(found[0], KeysRead) and not found[0].pasted


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[?2026;2$y", b"\x1b]11;rgb:0000/0000/0000\x1b\\", b"\x1b]52;c;aaa\x07", b"\x1bP1+r\x1b\\", b"\x1b[99;99Z", b"\x1b[?62;c",
        b"\x1b[" + b"9" * 5000 + b"u", b"\x1b[99999999999u", b"\x1b[57441;2u", b"\x1b[97;1:3u", b"\x1b\x1b[A", b"\x1b[12", b"\x1b]aaaaaa",
        b"\x1b[M\xe4a\r", b"\x1b[48;0;0;0;0t", b"\x1b[48;99999;99999;1;1t",
    ],
)  # fmt: skip
def test_answers_of_the_terminal_and_unknown_sequences_are_no_keys(data: bytes) -> None:
    found = one_read(data)
    assert keys(found) == [] and not any(isinstance(message, events.Resize) for message in found)


def test_the_mouse_is_still_heard() -> None:
    assert [type(message) for message in one_read(b"\x1b[<0;5;6M\x1b[<0;5;6m")] == [events.MouseDown, events.MouseUp]


@given(st.binary(max_size=60).filter(lambda text: b"\x1b[201~" not in text), st.data())
def test_nothing_in_a_paste_is_a_key_wherever_it_is_split(text: bytes, data: st.DataObject) -> None:
    whole = b"\x1b[200~" + text + b"\x1b[201~"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=5)))
    pieces = [whole[a:b] for a, b in pairwise([0, *cuts, len(whole)])]
    gaps = data.draw(st.lists(st.sampled_from([0.001, 0.05, 0.2, 3.0]), min_size=len(pieces), max_size=len(pieces)))
    # what comes long after the beginning of a sequence is no part of it
    gaps = [min(gap, 0.2) if sum(map(len, pieces[: n + 1])) < len(b"\x1b[200~") else gap for n, gap in enumerate(gaps)]
    found = replay(*((sum(gaps[:n]), piece) for n, piece in enumerate(pieces)))
    assert set(keys(found)) <= {"escape", "alt+left_square_bracket"} and len(pastes(found)) == 1
    assert not any("\x00" <= character < " " and character not in "\t\n" for character in pastes(found)[0])


@pytest.mark.parametrize("gap", [0.01, 0.12, 0.2])
@pytest.mark.parametrize(
    "sequence",
    [
        b"\x1b[200~ay\r\x1b[201~",
        b"\x1b[97;1:3u",
        b"\x1b[<0;5;36M",
        b"\x1b[I",
        b"\x1b]11;rgb:aaaa/uu\x1b\\",
        b"\x1bOP",
        b"\x1bP>|aaa yes\r\x1b\\",
    ],
)
def test_a_sequence_that_comes_byte_by_byte_presses_none_of_its_letters(sequence: bytes, gap: float) -> None:
    found = replay(*((place * gap, sequence[place : place + 1]) for place in range(len(sequence))))
    assert {key for key in keys(found) if not key.startswith("alt+")} <= {"escape", "f1"}


@pytest.mark.parametrize("typed", ["[", "]a", "[x", "Pa", "Oa", "_a", "OX"])
def test_what_is_typed_after_escape_is_typed(typed: str) -> None:
    found = replay((0.0, b"\x1b"), *((1 + place / 2, letter.encode()) for place, letter in enumerate(typed)))
    names = {"[": "left_square_bracket", "]": "right_square_bracket", "_": "underscore"}
    assert keys(found) == ["escape", *(names.get(letter, letter) for letter in typed)]
    assert not any(message.pasted for message in found if isinstance(message, KeysRead))


def test_a_paste_in_a_paste_ends_with_the_last_end() -> None:
    for gap in (0.001, 0.2, 0.9):
        found = replay(*((place * gap, data) for place, data in enumerate([b"\x1b[200~x\x1b[200~y\x1b[201~", b"a", b"\r", b"\x1b[201~"])))
        assert pastes(found) == ["xy"] and all(message.pasted for message in found if isinstance(message, KeysRead))


def test_a_paste_that_does_not_end_is_handed_on_and_escape_ends_it() -> None:
    for escape in (b"\x1b", b"\x1b[27u", b"\x1b[27;1:1u\x1b[27;1:3u"):
        stalled = 1 + STALLED_S
        found = replay((0.0, b"\x1b[200~one"), (1.0, b"two \x1b[20"), (stalled + 1, b"0m a"), (stalled + 2, escape), (stalled + 5, b"q"))
        assert pastes(found) == ["onetwo ", " a"] and keys(found) == ["q"]
        assert sum(isinstance(message, PasteRefused) for message in found) == 1


def test_a_stalled_paste_that_goes_on_ends_with_its_end() -> None:
    found = replay((0.0, b"\x1b[200~one"), (9.0, b"\x1b"), (9.0 + LEAVING_S / 2, b"[201"), (30.0, b"~"), (40.0, b"q"))
    assert pastes(found) == ["one"] and keys(found) == ["q"]


def test_a_paste_that_is_too_long_is_refused_whole() -> None:
    found = one_read(b"\x1b[200~" + b"a" * (1 << 21) + b"\x1b[201~")
    assert keys(found) == [] == pastes(found) and any(isinstance(message, PasteRefused) for message in found)
    assert len(pastes(one_read(b"\x1b[200~" + b"a\r" * 500_000 + b"\x1b[201~"))[0]) == 1_000_000


def test_a_click_among_pasted_keys_presses_nothing() -> None:
    click = b"\x1b[<0;5;36M\x1b[<0;5;36m"
    for data in (b"ban" + click, click + b"ana", b"\x1b[200~x\x1b[201~" + click):
        assert not any(isinstance(message, events.MouseDown | events.MouseUp) for message in one_read(data))


def test_a_broken_report_changes_nothing_about_the_mouse() -> None:
    resized, broken, click = b"\x1b[48;36;120;720;1200t", b"\x1b[99999999999u", b"\x1b[<0;101;21M"
    for reads in ([resized, click], [resized, broken, click]):
        *_, message = replay(*((float(at), data) for at, data in enumerate(reads)))
        assert isinstance(message, events.MouseDown) and (message.x, message.y) == (10, 1)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.001, 0.03, 0.12, 1.0]), st.binary(max_size=40)), max_size=8))
def test_any_bytes_at_any_time_are_read(reads: list[tuple[float, bytes]]) -> None:
    at, timed = 0.0, []
    for gap, data in reads:
        at += gap
        timed.append((at, data))
    assert all(isinstance(message, Message) for message in replay(*timed))


@given(st.binary(max_size=60))
def test_after_any_bytes_but_an_open_paste_a_key_is_heard(noise: bytes) -> None:
    found = replay((0.0, noise), (1.0, b"\x1b[201~"), (2.0, b"q"))
    assert b"\x1b[200~" in noise or keys(found)[-1] == "q"


def test_pasted_colours_and_line_ends_are_plain_text() -> None:
    assert plain_text("a\x1b[31mb\x1b[0m\x1b]0;x\x07c\r\nd\re\x07\x85f\x1b(B\x1b") == "abc\nd\nef"
    assert pastes(one_read(b"\x1b[200~log: \x1b a\x1b[201~")) == ["log: "]


def test_several_keys_of_one_read_come_together() -> None:
    (read,) = one_read(b"banana")
    assert isinstance(read, KeysRead) and [key.key for key in read.keys] == list("banana")


def test_keys_of_one_read_are_never_unsure() -> None:
    *_, read = replay((0.0, b"b"), (0.5, b"bb"))
    assert isinstance(read, KeysRead) and [key.press for key in read.keys] == [Press.REPEAT, Press.REPEAT]


@pytest.mark.parametrize("tail", [b"q", b"\r"])
def test_the_tail_of_a_paste_is_pasted(tail: bytes) -> None:
    for beginning in (b"banana", b"\x1b[200~x\x1b[201~", b"\x1b[12\xff"):
        *_, read = replay((0.0, beginning), (0.03, tail))
        assert isinstance(read, KeysRead) and read.pasted
        *_, read = replay((0.0, beginning), (0.5, tail))
        assert isinstance(read, KeysRead) and not read.pasted


def test_a_key_in_the_same_read_as_a_paste_is_pasted() -> None:
    read = next(message for message in one_read(b"\x1b[200~x\x1b[201~\r") if isinstance(message, KeysRead))
    assert read.pasted


@given(st.floats(0.25, 0.66), st.floats(10, 40), st.integers(2, 200), st.floats(0, 0.004))
def test_a_held_key_acts_once(first_delay: float, per_s: float, repeats: int, jitter: float) -> None:
    times = [0.0, *(first_delay + n / per_s + (jitter if n % 2 else 0.0) for n in range(repeats))]
    assert acts(replay(*((at, b"a") for at in times))) == 1


@given(st.lists(st.floats(0.3, 0.4), min_size=1, max_size=20))
def test_taps_at_three_a_second_each_act(gaps: list[float]) -> None:
    times = [sum(gaps[:n]) for n in range(len(gaps) + 1)]
    assert acts(replay(*((at, b"a") for at in times))) == len(times)


def test_a_tap_after_a_held_key_acts() -> None:
    held = [0.0, *(0.5 + n / 30 for n in range(30))]
    assert acts(replay(*((at, b"a") for at in [*held, held[-1] + 0.3]))) == 2


def test_an_unsure_press_is_settled_before_the_next_key() -> None:
    found = replay((0.0, b"a"), (0.3, b"a"), (0.35, b"j"))
    assert [type(message) for message in found] == [KeysRead, KeysRead, PressSettled, KeysRead]
    assert acts(found) == 3


def test_two_of_a_key_in_one_read_act_once() -> None:
    assert acts(one_read(b"\r\r")) == 1


@given(st.floats(0.01, 1.0), st.integers(1, 40))
def test_a_terminal_that_reports_repeats_is_believed(gap: float, repeats: int) -> None:
    held = [(1 + n * gap, b"\x1b[97;1:2;97u") for n in range(repeats)]
    taps = [(100 + n * gap, press) for n in range(repeats) for press in (b"\x1b[97;;97u", b"\x1b[97;1:3u")]
    assert acts(replay((0.0, KITTY_ON), (0.5, b"\x1b[97;1:1;97u"), *held)) == 1
    assert acts(replay((0.0, KITTY_ON), *taps)) == repeats


def test_a_terminal_that_reports_no_repeats_is_measured() -> None:
    times = [0.0, *(0.5 + n / 30 for n in range(30))]
    assert acts(replay((0.0, b"\x1b[?1u"), *((1 + at, b"\x1b[97;;97u") for at in times))) == 1


async def test_size_told_last_is_the_present_one_when_signals_interrupt_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT)}
    app, told, terminal = App[None](), list[Size](), [Size(59, 15)]
    driver = FilteredLinuxDriver(app)
    monkeypatch.setattr(app, "post_message", lambda event: told.append(event.size))

    def size() -> Size:
        found = terminal[0]
        if found == (59, 15):  # the terminal grows right after its size was read
            terminal[0] = Size(120, 36)
            driver._sigwinch_application()
        return found

    monkeypatch.setattr(driver, "_get_terminal_size", size)
    driver._sigwinch_application()
    while len(told) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert told == [Size(59, 15), Size(120, 36)]
    for number, handler in before.items():
        signal.signal(number, handler)
