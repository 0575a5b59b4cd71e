"""How the offline model revises a text by a reviewer's note: it understands a few requests, and invents nothing."""

import re
from collections.abc import Callable

GREETING = re.compile(r"^(Dear|Hello|Hi|Good (morning|afternoon|evening))\b.*$", re.IGNORECASE)
CLOSING = re.compile(r"^(Kind|Best|Warm) (regards|wishes)\b.*$", re.IGNORECASE)


def revise_text(text: str, note: str) -> str:
    """The text revised by the note.

    It understands `shorter`, `friendlier`, `formal`, `as a list`, `add: …` and `replace X with Y`; any other note only tidies the text.
    """
    wanted = note.casefold()
    for word, change in CHANGES.items():
        if word in wanted:
            text = change(text)
    for added in re.findall(r"\badd: *(.+)", note, re.IGNORECASE):
        text = _before_closing(text, added.strip())
    for old, new in re.findall(r"\breplace [“\"']?(.+?)[”\"']? (?:with|by) [“\"']?(.+?)[”\"']?(?:[.;\n]|$)", note, re.IGNORECASE):
        text = text.replace(old, new)
    return tidy_text(text)


def tidy_text(text: str) -> str:
    """The text with single spaces, single empty lines, and no trailing spaces."""
    lines = [re.sub(r"[ \t]+", " ", line).rstrip() for line in text.strip().split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _shorter(text: str) -> str:
    """The first sentence of each paragraph."""
    return "\n\n".join(_first_sentence(paragraph) for paragraph in text.split("\n\n"))


def _first_sentence(paragraph: str) -> str:
    if "\n" in paragraph or GREETING.match(paragraph) or paragraph.startswith("#"):
        return paragraph
    return re.split(r"(?<=[.!?]) ", paragraph)[0]


def _friendlier(text: str) -> str:
    return _before_closing(text, "Thank you for your patience, and do write to us whenever there is something we can do for you.")


def _formal(text: str) -> str:
    for casual, formal in (
        ("Hi ", "Dear "),
        ("Hello ", "Dear "),
        ("we're", "we are"),
        ("don't", "do not"),
        ("can't", "cannot"),
        ("!", "."),
    ):
        text = text.replace(casual, formal)
    return text


def _as_list(text: str) -> str:
    """Longer paragraphs as a list of their sentences."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        sentences = re.split(r"(?<=[.!?]) ", paragraph)
        paragraphs.append("\n".join(f"- {sentence}" for sentence in sentences) if len(sentences) > 1 else paragraph)
    return "\n\n".join(paragraphs)


def _before_closing(text: str, added: str) -> str:
    if added in text:
        return text
    paragraphs = text.split("\n\n")
    place = len(paragraphs) - 1 if CLOSING.match(paragraphs[-1]) else len(paragraphs)
    return "\n\n".join([*paragraphs[:place], added, *paragraphs[place:]])


CHANGES: dict[str, Callable[[str], str]] = {
    "short": _shorter, "friendl": _friendlier, "warm": _friendlier, "formal": _formal, "list": _as_list, "bullet": _as_list,
}  # fmt: skip
