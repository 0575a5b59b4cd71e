"""The notes that a run works from, and the texts that it publishes."""

import re
import shutil
from pathlib import Path

from langchain_core.runnables import RunnableConfig

from shared.workdir import seeded, working_folder

SEED_NOTES = Path(__file__).with_name("seed_notes")


def notes(config: RunnableConfig) -> dict[str, str]:
    """Every note by name."""
    folder = seeded(working_folder(config) / "notes", lambda draft: shutil.copytree(SEED_NOTES, draft))
    return {path.stem: path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.md"))}


def wanted(request: str, names: list[str]) -> str:
    """The note that shares the most words with the request; empty if none does."""
    words = set(re.findall(r"[a-z]{3,}", request.lower()))
    scores = {name: len(words & set(name.split("-"))) for name in names}
    best = max(names, key=lambda name: scores[name], default="")
    return best if best and scores[best] else ""


def publish(config: RunnableConfig, name: str, text: str) -> Path:
    """Write an accepted text atomically. Writing the same text again changes nothing."""
    folder = working_folder(config) / "texts"
    folder.mkdir(exist_ok=True)
    draft = folder / f".{name}.part"
    draft.write_text(text.rstrip() + "\n", encoding="utf-8", errors="replace")
    return draft.replace(folder / f"{name}.md")
