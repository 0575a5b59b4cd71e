"""Signatures of decisions on their way into the tables."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hitl_tui.model.signatures import Statement, sha256, signed_text
from hitl_tui.store.connection import Transaction


@dataclass
class SignedStatements:
    """Statements of one or more decisions, and the signature over them, on their way into the tables."""

    statements: Mapping[tuple[int, int], Statement]
    """By review and slot."""
    signature: str
    """As `ssh-keygen` printed it."""
    _number: int | None = field(default=None, init=False)

    @functools.cached_property
    def text(self) -> str:
        """What was signed."""
        return signed_text([one.text for one in self.statements.values()])

    @functools.cached_property
    def hash(self) -> str:
        """What the log holds of it."""
        return hash_of(self.text, self.signature)

    def store(self, db: Transaction) -> int:
        """Within the transaction of the decisions: insert it, if that was not done. Returns its number."""
        if self._number is None:
            made = db.execute("INSERT INTO signatures (text, signature) VALUES (?, ?)", (self.text, self.signature))
            self._number = int(made.lastrowid or 0)
            rows = [(self._number, review, slot, one.text) for (review, slot), one in self.statements.items()]
            db.executemany("INSERT INTO statements (signature, review, slot, text) VALUES (?, ?, ?, ?)", rows)
        return self._number


@dataclass(frozen=True, slots=True)
class SignedText:
    """A text about something else than a call, and its signature, on their way into the tables."""

    text: str
    signature: str
    """As `ssh-keygen` printed it."""

    def store(self, db: Transaction) -> dict[str, Any]:
        """Within the transaction: insert it. Returns what the body of its audit entry says of it."""
        made = db.execute("INSERT INTO signatures (text, signature) VALUES (?, ?)", (self.text, self.signature)).lastrowid
        return {"signature": made, "signature_hash": hash_of(self.text, self.signature)}


def hash_of(text: str, signature: str) -> str:
    """SHA-256 (hex) of a signed text and its signature, which stands in the audit entry of each decision that they belong to."""
    return sha256(json.dumps([text, signature]))
