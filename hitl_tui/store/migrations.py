"""Every step of the schema, in order, for new and old databases alike. Append only: a step that shipped is never edited."""

from __future__ import annotations

import textwrap
from pathlib import Path

SCHEMA = Path(__file__).with_name("schema")


def _step(path: Path) -> str:
    """The SQL of one step, to the byte as it shipped: indented, for SQLite keeps the text of every statement."""
    return textwrap.indent(path.read_text("utf-8"), "    ")


STEPS = tuple(map(_step, sorted(SCHEMA.glob("*.sql"), key=lambda path: int(path.name.partition("_")[0]))))
