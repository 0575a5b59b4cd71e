"""How the offline writer works: notes become a title and sentences; a reviewer's note is applied by `scripted/revisions.py`."""

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from scripted.revisions import revise_text
from writing_room.prompts import REVISE, WRITE


def writing_script(messages: Sequence[BaseMessage]) -> AIMessage:
    prompt = messages[-1].text
    if found := re.fullmatch(_as_pattern(REVISE), prompt, re.DOTALL):
        return AIMessage(revise_text(found["text"], found["note"]))
    if found := re.fullmatch(_as_pattern(WRITE), prompt, re.DOTALL):
        return AIMessage(_from_notes(found["notes"]))
    return AIMessage("Give me notes to write from.")


def _from_notes(notes: str) -> str:
    title = re.search(r"^# *(.+)$", notes, re.MULTILINE)
    sentences = [_sentence(line) for line in re.findall(r"^- *(.+)$", notes, re.MULTILINE)]
    pairs = [" ".join(sentences[place : place + 2]) for place in range(0, len(sentences), 2)]
    return "\n\n".join([f"# {title[1]}" if title else "# Untitled", *pairs])


def _sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:].rstrip('.')}."


def _as_pattern(template: str) -> str:
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.*)", re.escape(template))
