"""How the offline steward works: inspect, propose group by group, skip what a person rejected, count, report.

Each step depends on the messages only, so a thread that runs again takes the same step.
"""

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from scripted.model import tool_call
from scripted.turn import AnsweredCall, Turn, current_turn
from sql_steward.cleanup import (
    COUNTS,
    INSPECTIONS,
    SPELLINGS,
    Rows,
    Step,
    Topic,
    code_of,
    first_group,
    second_group,
    third_group,
)

TOPICS: dict[Topic, str] = {
    "countries": r"\bcountr(y|ies)\b",
    "emails": r"\be?-?mails?\b|\baddress(es)?\b",
    "duplicates": r"\bduplicates?\b|\btwice\b",
    "orphans": r"\borphan(ed|s)?\b|\bnowhere\b",
}
TIDY = r"\b(clean|tidy|fix|correct|repair|normali[sz]e|merge|remove|delete)\b"

BY_COUNTRY = {
    "customers": "SELECT country, COUNT(*) AS customers FROM customers GROUP BY country ORDER BY country",
    "orders": "SELECT country, COUNT(*) AS orders FROM orders LEFT JOIN customers ON customers.id = customer_id "
    "GROUP BY country ORDER BY country",
}

HELP = """I look after the customer database. You can ask me, for example:
- clean up the customers
- fix the countries
- merge the duplicates
- how many customers are in Germany
- what is in the database
Statements that change data need a person's approval."""

Made = list[tuple[Step, AnsweredCall]]
"""The steps proposed so far, with their results."""


def sql_script(messages: Sequence[BaseMessage]) -> AIMessage:
    turn = current_turn(messages)
    request = turn.request.lower()
    if re.search(TIDY, request):
        named = [topic for topic, pattern in TOPICS.items() if re.search(pattern, request)]
        return _tidy(turn, named or list(TOPICS))
    if asked := re.search(r"how many (customers|orders)(?:.*?\b(?:in|from) (?:the )?([\w ]+))?", request):
        return _count(turn, asked[1], (asked[2] or "").strip())
    if re.search(r"\b(tables?|database|what is in|what's in)\b", request):
        return _tables(turn)
    return AIMessage(HELP)


def _tidy(turn: Turn, topics: list[Topic]) -> AIMessage:
    queried = {str(call.args["sql"]): _rows(call.result) for call in turn.calls("query")}
    if not queried:
        looks = [tool_call("query", sql=INSPECTIONS[topic]) for topic in topics]
        return AIMessage("I look at the data first.", tool_calls=[tool_call("list_tables"), *looks])
    made, upcoming = _progress(turn, {topic: queried.get(INSPECTIONS[topic], []) for topic in topics})
    if upcoming:
        return _propose(upcoming)
    if COUNTS not in queried:
        return AIMessage("I count what is there now.", tool_calls=[tool_call("query", sql=COUNTS)])
    return AIMessage(_report(made, queried[COUNTS]))


def _progress(turn: Turn, found: dict[Topic, Rows]) -> tuple[Made, list[Step]]:
    """The proposed steps with their results, and the next steps.

    Steps and calls are matched by position, because a reviewer may have changed the SQL.
    """
    rounds = [calls for calls in turn.rounds if any(call.name == "execute" for call in calls)]
    made: Made = []
    for group in (first_group, second_group, third_group):
        moved = all(_succeeded(call) for step, call in made if step.topic == "duplicates")
        # Orders still point to the duplicates if moving them was refused: deleting the customers would break them.
        steps = group(found) if group is not third_group or moved else []
        if steps and not rounds:
            return made, steps
        if steps:
            made += zip(steps, rounds.pop(0), strict=False)
    return made, []


def _propose(steps: list[Step]) -> AIMessage:
    lines = [f"{number}. {step.title.capitalize()}: {step.reason}." for number, step in enumerate(steps, start=1)]
    # A turn is as certain as its least certain call.
    confidence = min(step.confidence for step in steps)
    text = "I propose:\n\n" + "\n".join(lines) + f"\n\nconfidence: {confidence:.2f}"
    return AIMessage(text, tool_calls=[tool_call("execute", sql=step.sql) for step in steps])


def _report(made: Made, counts: Rows) -> str:
    done = [f"- {step.title}: {call.result}" for step, call in made if _succeeded(call)]
    skipped = [f"- {step.title}: {call.result}" for step, call in made if not _succeeded(call)]
    if any(step.topic == "duplicates" for step, call in made if not _succeeded(call)):
        skipped.append("- the duplicates were not fully handled, so their customers were kept")
    parts = ["Done:\n" + "\n".join(done)] if done else []
    parts += ["Not done, and not tried again:\n" + "\n".join(skipped)] if skipped else []
    parts += [] if made else ["There is nothing to clean up."]
    for customers, countries, orders, nowhere in counts[:1]:
        parts.append(
            f"The database now has {customers} customers with {countries} spellings of countries, and {orders} orders, "
            f"of which {nowhere} point nowhere."
        )
    return "\n\n".join(parts)


def _count(turn: Turn, table: str, country: str) -> AIMessage:
    code = code_of(country)
    if country and not code:
        return AIMessage(f"I know no country “{country}”; I know {', '.join(SPELLINGS)} and their names.")
    answers = turn.calls("query")
    if not answers:
        return AIMessage("I count them, by the spelling of the country.", tool_calls=[tool_call("query", sql=BY_COUNTRY[table])])
    rows = [(spelling, int(count)) for spelling, count in _rows(answers[0].result) if not code or code_of(spelling) == code]
    spellings = ", ".join(f"{spelling}: {count}" for spelling, count in rows)
    where = f" in {code}, under {len(rows)} spellings of the country ({spellings})" if code else ""
    return AIMessage(f"There are {sum(count for _, count in rows)} {table}{where}.")


def _tables(turn: Turn) -> AIMessage:
    if listed := turn.calls("list_tables"):
        return AIMessage(f"These tables:\n{listed[0].result}")
    return AIMessage("I look.", tool_calls=[tool_call("list_tables")])


def _rows(result: str) -> Rows:
    """The rows under the line with the column names."""
    return [line.split(" | ") for line in result.splitlines()[1:]]


def _succeeded(call: AnsweredCall) -> bool:
    return not call.failed and "changed." in call.result
