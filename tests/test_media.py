"""Images, sound and files: a label in every view, never Base64 and never nothing."""

from __future__ import annotations

import base64

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from hitl_tui import media
from hitl_tui.agents.messages import attempts, context_of, read, text_of, thinking_of
from hitl_tui.argument_text import drawn, value_rows
from hitl_tui.export.examples import ExportCase, IncludedCases, LeftOut, left_out_reason
from hitl_tui.model import Json
from tests.ui.text.test_hostile_text import review_of

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 12).decode()
OTHER = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(1, 257 - 1)) * 12 + bytes(24)).decode()


@pytest.mark.parametrize(
    ("block", "label"),
    [
        ({"type": "image", "base64": PNG, "mime_type": "image/png"}, "[image, png, 3 kB]"),
        ({"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"}, "[image, png, 3 kB]"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}, "[image, png, 3 kB]"),
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, "[image, png, 3 kB]"),
        ({"type": "image_url", "image_url": f"data:image/png;base64,{PNG}"}, "[image, png, 3 kB]"),
        ({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}, "[image, png, 3 kB]"),
        ({"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}, "[image, https://example.com/x.png]"),
        ({"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}, "[audio, wav, 3 kB]"),
        ({"type": "file", "base64": PNG, "mime_type": "application/pdf"}, "[file, pdf, 3 kB]"),
        ({"type": "file", "file": {"file_id": "file-12"}}, "[file, file-12]"),
        ({"type": "media", "mime_type": "video/mp4", "data": PNG}, "[video, mp4, 3 kB]"),
        ({"type": "tool_use", "name": "x"}, ""),
        ({"type": "reasoning", "reasoning": "hm"}, ""),
    ],
)
def test_block_of_a_message_is_a_label(block: dict[str, object], label: str) -> None:
    assert media.block_label(block) == label


def test_blocks_that_are_plain_texts_are_the_messages_text() -> None:
    message = HumanMessage(
        ["what is this?", {"type": "image", "base64": PNG, "mime_type": "image/png"}, {"type": "tool_use", "name": "x"}, "a cat"]
    )
    assert read(message).text == "what is this?\n[image, png, 3 kB]\na cat"
    assert (text_of(message), thinking_of(message)) == ("what is this?\na cat", "")


def test_image_is_shown_in_messages_results_and_context() -> None:
    image = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    said = HumanMessage([{"type": "text", "text": "what is this?"}, image])
    call = AIMessage("", tool_calls=[{"name": "screenshot", "args": {}, "id": "1"}])
    result = ToolMessage([image], tool_call_id="1", name="screenshot")
    assert (read(said).text, read(said).media) == ("what is this?\n[image, png, 3 kB]", 1)
    assert attempts([call, result])[0].result == "[image, png, 3 kB]"
    assert [message.text for message in context_of({"messages": [said, call, result]}).conversation][2] == "[image, png, 3 kB]"
    assert text_of(said) == "what is this?"  # what a person edits in a takeover


@pytest.mark.parametrize("value", [PNG, f"data:image/png;base64,{PNG}", {"photo": PNG}, [[{"a": f"data:image/png;base64,{PNG}"}]]])
def test_image_in_arguments_is_a_label_that_tells_it_from_others(value: Json) -> None:
    shown = "\n".join(map(drawn, value_rows(value)))
    assert "[image, png, 3 kB, SHA-256 " in shown and PNG[:20] not in shown
    other = "\n".join(map(drawn, value_rows(_with(value, OTHER))))
    text = "\n".join(map(drawn, value_rows(_with(value, media.text_label(PNG)))))
    assert len({shown, other, text}) == 3


def _with(value: Json, image: str) -> Json:
    if isinstance(value, dict):
        return {key: _with(item, image) for key, item in value.items()}
    return [_with(item, image) for item in value] if isinstance(value, list) else image


@pytest.mark.parametrize("text", ["iVBORw0KGgo", "plain words " * 60, "x" * 2000, "data:text/plain,hello", "/9j/ is how it begins " * 30])
def test_text_is_no_image(text: str) -> None:
    assert media.text_label(text) == ""


def test_conversation_with_an_image_is_left_out_of_chats_and_counted() -> None:
    image = HumanMessage([{"type": "image", "base64": PNG, "mime_type": "image/png"}])
    context = context_of({"messages": [image, AIMessage("", tool_calls=[{"name": "send_mail", "args": {}, "id": "1"}])]})
    case = ExportCase(review_of({}), context)
    assert left_out_reason(case, IncludedCases(fast=True), 100.0, chat=False) is None
    assert left_out_reason(case, IncludedCases(fast=True), 100.0, chat=True) is LeftOut.MEDIA
