"""F4, insights: figures from real rows, exact plots, and "not enough data"."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.cli import main
from hitl_tui.formatting import measured_duration, percent, percent_range, top_of
from hitl_tui.home import Home
from hitl_tui.model import Answer, DecisionKind
from hitl_tui.oversight.statistics import (
    Agreement,
    Calibration,
    ConfidenceBin,
    Figures,
    Pace,
    Rates,
    Reader,
    Statistics,
    Times,
    TrendPoint,
    brier,
    calibration_error,
)
from hitl_tui.store import audit
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.insights.calibration import calibration_lines
from hitl_tui.ui.insights.fatigue import fatigue_lines
from hitl_tui.ui.insights.figures import PERIODS, Frame, agreement_lines, figure_lines, trend_of
from hitl_tui.ui.insights.view import InsightsView
from hitl_tui.ui.text.charts import WIDEST, Point, bar, column_starts, columns, plane
from hitl_tui.ui.text.lines import Line
from hitl_tui.ui.widgets.text_view import TextView
from tests.support.empty_database import open_store
from tests.support.fake_clock import pretend
from tests.ui.conftest import NOW, ConsoleDriver, StartConsole
from tests.ui.homes import insights, seed
from tests.ui.snapshots import cases, looks, press_keys, use_utc
from tests.ui.test_snapshots import Pictured

DAY = 86_400.0
MONTH, FRAME = PERIODS["30d"], Frame(75, 22, False, "ann")


def view(console: ConsoleDriver) -> InsightsView:
    return console.app.query_one(InsightsView)


def said(lines: Iterable[Line]) -> str:
    return "\n".join(f"{line.lead} {line.text}".strip() for line in lines)


def text(console: ConsoleDriver, selector: str = "#figures") -> str:
    """Return the whole text of a document, visible or not."""
    document = console.app.query_one(selector, TextView)
    return said([*document._lines, *document._source])


def on(console: ConsoleDriver) -> str:
    """Return the name under the cursor."""
    items = view(console).items
    assert items.cursor is not None
    return items.rows[items.cursor].name


async def filled(console: ConsoleDriver) -> None:
    await insights.add_past_decisions(console.store, console.project, time.time(), 150)
    await console.press("f4")
    await console.until_shown("Insights  30 days")


async def test_insights_count_decisions_overall_and_per_group(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        first = time.time() // DAY * DAY - 30 * DAY
        rows = await console.store.all(
            "SELECT d.kind, d.actor, v.agent, d.tool, d.message FROM decisions d JOIN reviews v ON v.id = d.review "
            "WHERE d.at >= ? AND d.actor NOT LIKE 'policy:%'",
            (first,),
        )
        approved = sum(kind == "approve" for kind, *_ in rows)
        reasons = {message for kind, *_, message in rows if kind == "reject"}
        changed = {insights.CHANGED[tool] for kind, *_, tool, _ in rows if kind == "edit"}
        shown = " ".join(text(console).split())
        assert f"{len(rows)} decisions in the last 30 days" in shown
        assert f"✓ approved {approved} {percent(approved / len(rows))}" in shown
        low, high = Rates(approved, rejected=len(rows) - approved).unchanged or (0, 0)
        assert f"approved unchanged: {percent_range(low, high)} (95 % CI)" in shown
        assert "decisions per day" in shown and "median wait" in shown
        assert reasons and changed and all(f"× {name}" in shown for name in reasons | changed)
        by_name = {(row.section, row.name): row for row in view(console).items.rows.values() if not row.is_heading}
        assert by_name["reviewer", "you"].count == sum(actor == "ann" for _, actor, *_ in rows)
        assert by_name["agent", "sql_steward"].count == sum(agent == "sql_steward" for _, _, agent, *_ in rows)
        assert by_name["tool", "issue_refund"].detail == "support_desk" and ("rule", "large refunds") in by_name


@pytest.mark.slow
async def test_insights_cursor_skips_headings_and_keys_switch_figures_and_period(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        assert on(console) == "Overall"
        await console.press("j", "j", "j")
        assert on(console) == "mail_assistant"
        await console.press("k")
        assert on(console) == "Fatigue"
        await console.press("G")
        assert on(console) == "large refunds"
        await console.press("t")
        table = re.split(r"unchanged +waited", text(console))
        assert len(table) == 2 and "█" not in table[1]
        await console.press("p")
        await console.until_shown("Insights  90 days")
        assert on(console) == "large refunds" and "in the last 90 days" in text(console)
        await console.press("left_square_bracket", "left_square_bracket")
        await console.until_shown("Insights  7 days")
        await console.press("left_square_bracket")
        await console.until_shown("Insights  all")
        assert "decisions in total" in text(console)


@pytest.mark.slow
async def test_practice_in_the_console_shows_what_was_missed_and_keeps_it(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda size: "s" * size)  # the same calls each time
    async with start_console("") as console:
        await console.press("f4", "e", "1", "enter")
        assert "there are no calls to practise on" in console.refusals()
        await seed.add_mail_tool(console.store)
        await console.press("e")
        await console.until_shown("calls that can never run", "50 % bad calls")
        await console.press("5", "enter")
        for number in range(1, 5):
            await console.until_shown(f"Practice {number} of 20", "Nothing here can run")
            await console.press("a")
        await console.press("escape")
        screen = await console.until_shown("caught 0 of", "missed:", "d′")
        assert "history" not in screen
        await console.press("escape")
        await console.until_shown("Practice", "caught 0 %")
        (body,) = [json.loads(one["body"]) for one in audit.entries(console.home.database) if one["kind"] == "practiced"]
        assert body["good"] + body["bad"] == 4 and body["bad"] >= 1
        while on(console) != "Practice":
            await console.press("j")
        await console.until_shown("How many bad calls people catch when they practise", f"0 of {body['bad']}")
        assert not await console.store.all("SELECT 1 FROM runs WHERE title LIKE '%practice%'")


@pytest.mark.slow
async def test_practice_that_found_every_bad_call_says_so(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda size: "s" * size)
    async with start_console("") as console:
        await seed.add_mail_tool(console.store)
        await console.press("f4", "e", "5", "enter")
        for number in range(1, 21):
            await console.until_shown(f"Practice {number} of 20")
            await console.press("r")
        await console.until_shown("Practice: what you caught", "caught 10 of 10", "no bad call was approved")
        await console.press("escape", "e", "escape")
        await console.press("e", "5", "enter")
        await console.until_shown("Practice 1 of 20")
        await console.press("escape")
        assert len([one for one in audit.entries(console.home.database) if one["kind"] == "practiced"]) == 1


@pytest.mark.slow
async def test_agreement_of_blind_answers_stands_in_the_list_and_in_stats(start_console: StartConsole) -> None:
    async with start_console("") as console:  # sklearn.metrics.cohen_kappa_score gives 0.5 for these
        await insights.add_blind_answers(console.store, console.project, "yy", "yy", "nn", "yn")
        await console.press("f4")
        await console.until_shown("Agreement", "agree on 75 %")
        while on(console) != "Agreement":
            await console.press("j")
        await console.until_shown("Blind reviews", "3 of 4 calls: 75 % (30–95 %)", "both 2, only the first 1, only the second 0, neither 1")
        shown = " ".join(text(console).split())
        assert "kappa 0.50 (" in shown and "Kappa is the agreement beyond chance" in shown
        home = console.home.path
    done = await asyncio.to_thread(CliRunner().invoke, main, ["stats", "--home", str(home)])
    assert "agreement of two on the same calls" in done.output and "blind reviews  4      3      0.50 (" in done.output, done.output
    done = await asyncio.to_thread(CliRunner().invoke, main, ["stats", "--json", "--home", str(home)])
    (one,) = json.loads(done.output)["agreements"]
    assert (one["name"], one["calls"]) == ("blind reviews", 4)


@pytest.mark.parametrize(
    ("agreement", "expected"),
    [
        (Agreement("blind reviews", both=1), "Blind reviews\nNot enough data: one call so far.\n"),
        (Agreement("blind reviews", both=5), "kappa not defined: they say the same of every call"),
        (Agreement("second reader and people", 4, 1, 2, 3), "let run both 4, only the first 1, only the second 2, neither 3"),
    ],
)
def test_agreement_says_what_it_rests_on(agreement: Agreement, expected: str) -> None:
    assert expected in said(agreement_lines([agreement]))


async def test_share_seen_stands_on_the_screen_for_each_person(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await insights.add_past_decisions(console.store, console.project, time.time(), 40)
        await console.store.write("UPDATE decisions SET seen = 0.43 WHERE actor = 'ann'")
        await console.press("f4", "j", "j")
        assert on(console) == "Fatigue"
        await console.until_shown("you decided calls of which 43 % was on the screen on average")
        for _ in range(2):  # the chart, then the table
            await console.until_shown(" seen ", " 43 % ")
            rows = {line.split()[0]: line for line in text(console).split("\n") if line.startswith(("you ", "bob "))}
            assert " 43 % " in rows["you"] and rows["bob"].count("–") == 2  # not measured, and no attention checks
            await console.press("t")


@pytest.mark.slow
async def test_insights_on_a_small_screen_open_figures_on_enter(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 24)) as console:
        await filled(console)
        await console.press("j", "enter")
        assert "with a stated confidence" in console.screen_text() and "Insights  30" not in console.screen_text()
        await console.press("escape", "j", "j")
        assert on(console) == "mail_assistant" and view(console).items.has_focus
        await console.press("f1", "f4")
        assert on(console) == "mail_assistant" and view(console).items.has_focus


@pytest.mark.slow
async def test_insights_with_too_little_data_say_so_and_update_themselves(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("f4")
        await console.until_shown("No person has decided anything yet.", "F1", "which arguments are edited")
        for place, wanted in ((0, "Not enough data: one decision"), (1, "2 decisions in the last 30 days")):
            await console.bob.reviews.decide(await console.bob.reviews.get(console.review_ids[place]), {0: Answer(DecisionKind.APPROVE)})
            await console.until_shown(wanted)
        assert view(console).items.has_focus and "nan" not in console.screen_text().lower()
        await console.press("j", "j", "j")
        assert "1 decision in the last 30 days" in text(console) and "Not enough data" in text(console)


# Texts, from figures made by hand


def believed(stated: float, count: int, good: int) -> ConfidenceBin:
    return ConfidenceBin(count, stated * count, stated * stated * count, good, stated * good)


def test_calibration_names_its_error_and_a_supported_threshold() -> None:
    bins = [believed(0.42, 40, 18), believed(0.72, 60, 30), believed(0.87, 50, 48), believed(0.93, 48, 47)]
    told = said(calibration_lines(Calibration(bins, brier(bins), calibration_error(bins), 0.87), MONTH, FRAME))
    assert "198 decisions in the last 30 days with a stated confidence" in told
    assert "0.87; from there, people approved 95 of 98 unchanged (91–99 %, 95 % CI): such calls could run without asking" in told
    assert "confidence 0.75 on average; people approved 72 % unchanged" in told
    assert "error 0.107" in told and "Brier score 0.158 (0 is best; always stating 0.72 scores 0.201)" in told
    assert "▼ approved less often than stated" in told and "● as stated" in told and "▲" not in told
    table = said(calibration_lines(Calibration(bins, None, None, None), MONTH, Frame(75, 22, True, "ann")))
    assert "0.72" in table and "38–62 %" in table and "none yet" in table and "●" not in table
    assert "Not enough data" in said(calibration_lines(Calibration((), None, None, None), MONTH, FRAME))
    assert "Not enough data" in said(calibration_lines(Calibration([believed(0.5, 1, 1)], 0.25, 0.5, None), MONTH, FRAME))


def test_fatigue_is_reported_per_person() -> None:
    known = Times(7.4, 31.0)
    careful = Reader("ann", Pace(50, 2, 0), known, 14.2, 0.8, 3, 3)
    hasty = Reader("bob", Pace(50, 40, 7), known, 1.9, 0.99, 5, 3)
    unknown = Reader("[b]x[/]", Pace(0, 0, 0), Times(None, None), None, None, 0, 0)
    told = said(fatigue_lines([careful, hasty, unknown], FRAME))
    assert "⚠ bob approved 7 calls in a row faster than anyone can read" in told and "⚠ bob missed 2 of 5 attention checks" in told
    assert "[b]x[/]" in told and told.count("⚠") == 2 and "3/5" in told
    assert "· 2 of the last 50 decisions were faster than they can be read; 5 in a row are a warning." in said(
        fatigue_lines([careful, unknown], FRAME)
    )
    assert "✓ No decision was faster than it can be read." in said(fatigue_lines([unknown], FRAME))
    table = said(fatigue_lines([hasty], Frame(75, 22, True, "bob")))
    assert "you" in table and "40 of 50" in table and "1.9 s" in table and "99 %" in table
    assert "Not enough data" in said(fatigue_lines([], FRAME))


def test_reasons_are_plain_text_sorted_by_frequency() -> None:
    of = Figures("x", Rates(1, 1, 1, 0), Times(None, None), Times(None, None), (), [("\x1b[31mto", 1)],
                 [(f"reason {number}\n[red]", 9 - number) for number in range(9)])  # fmt: skip
    now = Statistics(0, 3, 0, of, (), (), (), (), Calibration((), None, None, None), ())
    told = said(figure_lines(of, now, MONTH, FRAME, is_overall=True))
    assert "\x1b" not in told and "1 × ⟨U+001B⟩[31mto" in told and "9 × reason 0" in told and "[red]" in told
    assert "and 1 more reason" in told and "waited unknown" in told


@pytest.mark.parametrize(
    ("share", "told"),
    [(None, "–"), (0.0, "0 %"), (0.001, "<1 %"), (0.5, "50 %"), (0.994, "99 %"), (0.9999, ">99 %"), (1.0, "100 %")],
)
def test_percent_rounds_to_0_or_100_only_when_exact(share: float | None, told: str) -> None:
    assert percent(share) == told


def test_durations_are_formatted_in_one_unit() -> None:
    assert [measured_duration(seconds) for seconds in (None, 0.0, 0.44, 9.94, 9.96, 59.0, 90.0, 3600.0, 40 * DAY)] == [
        "–", "0.0 s", "0.4 s", "9.9 s", "10 s", "59 s", "1.5 min", "1.0 h", "40 d",
    ]  # fmt: skip


# Properties of the plots


@given(st.floats(0, 1), st.integers(1, 80))
def test_bar_fills_its_cells_and_shows_any_positive_share(share: float, cells: int) -> None:
    drawn, left = bar(share, cells)
    assert len(drawn) + len(left) == cells
    assert bool(drawn) == (share > 0) and (share < 1 or not left)


@given(st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=100), st.integers(100, 300), st.integers(1, 9))
def test_columns_fill_the_room_with_equal_widths(values: list[float | None], room: int, height: int) -> None:
    top, starts = top_of([value for value in values if value]), column_starts(len(values), room)
    rows = list(columns(values, top, starts, height))
    assert len(rows) == height and {len(row) for row in rows} == {min(room, WIDEST * len(values))}
    assert all((rows[-1][starts[place]] != " ") == bool(value) for place, value in enumerate(values))
    widths = {len(rows[-1][start:end].rstrip()) for (start, end), value in zip(itertools.pairwise(starts), values, strict=True) if value}
    assert len(widths) <= 1 or (widths == {1, 2} and room < 2 * len(values)), "only where there is no room for gaps"
    assert top == 0 or max(value for value in values if value) <= top * (1 + 1e-9)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), max_size=20), st.integers(8, 60), st.integers(2, 20))
def test_scatter_plot_contains_every_point(places: list[tuple[float, float, float]], cells: int, height: int) -> None:
    made = [Point(x, sorted(ys)[0], sorted(ys)[0], sorted(ys)[1], ("●", "accent")) for x, *ys in places]
    rows = list(plane(made, cells, height))
    assert len(rows) == height and all(len(row) == cells for row in rows)
    assert ("●" in {mark for row in rows for mark, _ in row}) == bool(made)


@given(st.sets(st.integers(0, 1200), min_size=2, max_size=90), st.integers(12, 120))
def test_trend_counts_every_decision_within_its_width(days: set[int], room: int) -> None:
    spans = [TrendPoint(day * DAY, Rates(day % 5, 1), float(day)) for day in sorted(days)]
    trend = trend_of(spans, room)
    assert trend is not None and len(trend.steps) <= room
    assert sum(step.rates.total for step in trend.steps if step) == sum(span.rates.total for span in spans)
    assert all(step is None or step.waited in {span.waited for span in spans} for step in trend.steps)


# Pictures


async def fill(home: Home) -> None:
    """Fill the home of the snapshots."""
    async with open_store(home.database) as store:
        await insights.add_past_decisions(store, await seed.add_project(store), NOW)


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for all snapshots; each test takes a copy."""
    made = tmp_path_factory.mktemp("pictured")
    asyncio.run(fill(Home(made).prepare()))
    return made


def figures_are_read(app: HitlApp) -> bool:
    """Check that the figures of the period are loaded; their worker pauses before it ends."""
    view = app.query_one(InsightsView)
    return view.pane.period.id in view._read


SCREENS: list[tuple[str, bool, tuple[int, int], str, Sequence[str]]] = [
    ("insights_80x24", True, (80, 24), "", ["f4"]),
    ("insights_120x36", True, (120, 36), "", ["f4"]),
    ("insights_calibration_light", True, (120, 36), "hitl-light", ["f4", "p", "j"]),
    ("insights_none_80x24", False, (80, 24), "", ["f4"]),
]


SLOW = [
    *((name, True, size, theme, ["f4"]) for name, size, theme in looks("insights", {screen[0] for screen in SCREENS})),
    ("insights_calibration_200x50", True, (200, 50), "", ["f4", "p", "j"]),
    ("insights_details_80x24", True, (80, 24), "", ["f4", "p", "enter"]),
    ("insights_numbers_120x36", True, (120, 36), "", ["f4", "t", "j", "j", "j"]),
    ("insights_calibration_80x24", True, (80, 24), "", ["f4", "p", "j", "enter"]),
    ("insights_fatigue_120x36", True, (120, 36), "", ["f4", "j", "j"]),
]


@pytest.mark.parametrize(("name", "any_", "size", "theme", "keys"), cases(SCREENS, SLOW))
def test_screen(
    name: str, any_: bool, size: tuple[int, int], theme: str, keys: Sequence[str], tmp_path: Path, snap_compare: Callable[..., bool],
    pictured: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    use_utc(monkeypatch)
    pretend(monkeypatch, lambda: NOW)  # a trend goes up to today
    if any_:
        shutil.copytree(pictured, tmp_path, dirs_exist_ok=True)
    home = Home(tmp_path).prepare()
    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=press_keys(keys, figures_are_read))
