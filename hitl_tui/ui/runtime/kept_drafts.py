"""Keeps what a person typed and did not send, from a session that may be cut off to their next one.

Only sessions over SSH and in browsers do this: their connection may end at any time. A console in a terminal keeps drafts in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from hitl_tui.home import Home
from hitl_tui.model import person_key

LONGEST = 1_000_000
"""Characters of all drafts that are kept; the newest are kept first."""
KEPT_S = 14 * 86_400.0
"""How long drafts are kept."""


@dataclass
class Texts:
    """Drafts by what they are for."""

    reviews: dict[tuple[int, int, str], str] = field(default_factory=dict)
    """By review, slot and decision."""
    launches: dict[tuple[int, str, str], str] = field(default_factory=dict)
    """By project, agent and how the input is typed."""


class KeptDrafts:
    """The drafts of one person in one home."""

    def __init__(self, home: Home, reviewer: str) -> None:
        self._folder = home.drafts
        self._path = home.drafts / f"{hashlib.sha256(person_key(reviewer).encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"
        self._loaded = Texts()

    def load(self) -> Texts:
        """The drafts of the last session; none where they cannot be read."""
        self._loaded = _read(self._path)
        return Texts(dict(self._loaded.reviews), dict(self._loaded.launches))

    def save(self, texts: Texts) -> None:
        """Keep these drafts, and those that another session of the person has kept meanwhile."""
        others = _read(self._path)
        reviews = {key: text for key, text in others.reviews.items() if self._loaded.reviews.get(key) != text}
        launches = {key: text for key, text in others.launches.items() if self._loaded.launches.get(key) != text}
        kept = [["review", *key, text] for key, text in {**reviews, **texts.reviews}.items() if text]
        kept += [["launch", *key, text] for key, text in {**launches, **texts.launches}.items() if text]
        room = LONGEST
        for place in range(len(kept) - 1, -1, -1):
            if (length := len(str(kept[place][-1]))) > room:
                del kept[place]
            else:
                room -= length
        with contextlib.suppress(OSError):
            if not kept:
                self._path.unlink(missing_ok=True)
                return
            self._folder.mkdir(mode=0o700, exist_ok=True)
            part = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            part.touch(mode=0o600)
            part.write_text(json.dumps(kept), "utf-8")
            part.replace(self._path)


def _read(path: Path) -> Texts:
    found = Texts()
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        if time.time() - path.stat().st_mtime > KEPT_S:
            return found
        for kind, one, two, three, text in json.loads(path.read_text("utf-8")):
            if kind == "review":
                found.reviews[int(one), int(two), str(three)] = str(text)
            else:
                found.launches[int(one), str(two), str(three)] = str(text)
    return found
