"""Mistakes in the customer database: the queries that find them, and the statements that fix them.

Pure functions from query results to proposed steps. Steps of one group run in any order; groups run one after another.
"""

from dataclasses import dataclass
from typing import Literal

Topic = Literal["countries", "emails", "duplicates", "orphans"]
Rows = list[list[str]]

INSPECTIONS: dict[Topic, str] = {
    "countries": "SELECT country, COUNT(*) AS customers FROM customers WHERE country NOT IN (SELECT code FROM countries) "
    "GROUP BY country ORDER BY country",
    "emails": "SELECT id, email FROM customers WHERE email <> lower(trim(email)) ORDER BY id",
    "duplicates": "SELECT MIN(id) AS keep, MAX(id) AS remove, MIN(name) AS name FROM customers "
    "GROUP BY lower(trim(email)) HAVING COUNT(*) > 1 ORDER BY keep",
    "orphans": "SELECT id, customer_id, item FROM orders WHERE customer_id NOT IN (SELECT id FROM customers) ORDER BY id",
}

COUNTS = """SELECT
  (SELECT COUNT(*) FROM customers) AS customers,
  (SELECT COUNT(DISTINCT country) FROM customers) AS countries,
  (SELECT COUNT(*) FROM orders) AS orders,
  (SELECT COUNT(*) FROM orders WHERE customer_id NOT IN (SELECT id FROM customers)) AS pointing_nowhere"""

SPELLINGS = {
    "AT": ("austria", "österreich", "oesterreich", "at"),
    "DE": ("germany", "deutschland", "de"),
    "DK": ("denmark", "danmark", "dk"),
    "FR": ("france", "frankreich", "fr"),
    "GB": ("united kingdom", "great britain", "england", "uk", "gb"),
}


@dataclass(frozen=True)
class Step:
    """One statement with its reason."""

    topic: Topic
    title: str
    sql: str
    reason: str
    confidence: float


def first_group(found: dict[Topic, Rows]) -> list[Step]:
    """Independent fixes."""
    made = (_countries(found.get("countries", [])), _emails(found.get("emails", [])))
    return [step for step in made if step]


def second_group(found: dict[Topic, Rows]) -> list[Step]:
    """Orders, before the customers they refer to are deleted."""
    made = (_move_orders(found.get("duplicates", [])), _orphans(found.get("orphans", [])))
    return [step for step in made if step]


def third_group(found: dict[Topic, Rows]) -> list[Step]:
    """Customers without orders."""
    step = _duplicates(found.get("duplicates", []))
    return [step] if step else []


def code_of(country: str) -> str:
    return next((code for code, names in SPELLINGS.items() if country.strip().lower() in names), "")


def _countries(rows: Rows) -> Step | None:
    known = [(spelling, code_of(spelling)) for spelling, _ in rows if code_of(spelling)]
    if not known:
        return None
    cases = "\n".join(f"  WHEN {_quoted(spelling)} THEN {_quoted(code)}" for spelling, code in known)
    names = ", ".join(_quoted(spelling) for spelling, _ in known)
    customers = sum(int(count) for spelling, count in rows if code_of(spelling))
    return Step(
        "countries",
        "spell the countries as codes",
        f"UPDATE customers SET country = CASE country\n{cases}\nEND\nWHERE country IN ({names})",
        f"{customers} customers have a country spelled out; the other tables use the codes of `countries`",
        0.96,
    )


def _emails(rows: Rows) -> Step | None:
    if not rows:
        return None
    return Step(
        "emails",
        "trim and lower-case the mail addresses",
        f"UPDATE customers SET email = lower(trim(email)) WHERE id IN ({_ids(rows)})",
        f"{len(rows)} mail addresses have spaces around them or capitals, which hides duplicate customers",
        0.94,
    )


def _move_orders(rows: Rows) -> Step | None:
    if not rows:
        return None
    cases = "\n".join(f"  WHEN {remove} THEN {keep}" for keep, remove, _ in rows)
    return Step(
        "duplicates",
        "move the orders of the duplicates",
        f"UPDATE orders SET customer_id = CASE customer_id\n{cases}\nEND\nWHERE customer_id IN ({_ids(rows, 1)})",
        f"{_names(rows)} are there twice with the same mail address; the older entry keeps all orders",
        0.87,
    )


def _orphans(rows: Rows) -> Step | None:
    if not rows:
        return None
    orders = " and ".join(f"{number} ({item})" for number, _, item in rows)
    return Step(
        "orphans",
        "delete the orders that point nowhere",
        f"DELETE FROM orders WHERE id IN ({_ids(rows)})",
        f"orders {orders} belong to customers that do not exist. They may be real sales: check before you approve",
        0.55,
    )


def _duplicates(rows: Rows) -> Step | None:
    if not rows:
        return None
    return Step(
        "duplicates",
        "delete the duplicate customers",
        f"DELETE FROM customers WHERE id IN ({_ids(rows, 1)})",
        f"the younger entries of {_names(rows)} have no orders any more",
        0.83,
    )


def _ids(rows: Rows, column: int = 0) -> str:
    return ", ".join(str(int(row[column])) for row in rows)


def _names(rows: Rows) -> str:
    return " and ".join(name for _, _, name in rows)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
