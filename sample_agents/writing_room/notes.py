"""The folder of notes a run works from, and the folder its texts go to."""

import re
import shutil
from pathlib import Path

from langchain_core.runnables import RunnableConfig

from shared.workdir import seeded, working_folder

SEED_NOTES = Path(__file__).with_name("seed_notes")


def notes(config: RunnableConfig) -> dict[str, str]:
    """Every note by its name."""
    folder = seeded(working_folder(config) / "notes", lambda draft: shutil.copytree(SEED_NOTES, draft))
    return {path.stem: path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.md"))}


def wanted(request: str, names: list[str]) -> str:
    """The note a request means: the one with the most words in common; empty when it names none."""
    words = set(re.findall(r"[a-z]{3,}", request.lower()))
    scores = {name: len(words & set(name.split("-"))) for name in names}
    best = max(names, key=lambda name: scores[name], default="")
    return best if best and scores[best] else ""


def publish(config: RunnableConfig, name: str, text: str) -> Path:
    """Write an accepted text, whole or not at all; the same text twice is the same file."""
    folder = working_folder(config) / "texts"
    folder.mkdir(exist_ok=True)
    draft = folder / f".{name}.part"
    draft.write_text(text.rstrip() + "\n", encoding="utf-8", errors="replace")
    return draft.replace(folder / f"{name}.md")
