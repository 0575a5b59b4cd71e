"""Images, sound and files in messages and arguments, as a label in place of their bytes: `[image, png, 3 kB]`. Pure."""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from hitl_tui.formatting import file_size

KINDS = {
    "image": "image", "image_url": "image", "input_image": "image", "audio": "audio", "input_audio": "audio", "video": "video",
    "video_url": "video", "file": "file", "input_file": "file", "document": "file", "media": "file",
}  # fmt: skip
"""Type of a content block, as LangChain and the providers name them, and what it is."""
LEAST = 200
"""Characters of Base64 below which a text is no file."""
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
MAGIC = (
    ("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGODlh", "image/gif"), ("R0lGODdh", "image/gif"), ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"), ("SUkqAA", "image/tiff"), ("Qk", "image/bmp"),
)  # fmt: skip
"""How files begin in Base64."""
STARTS = ("[image", "[audio", "[video", "[file")
"""How labels begin."""


def block_label(block: Mapping[str, Any]) -> str:
    """The label of a content block of a message; empty for text and everything else that is no file."""
    kind = KINDS.get(str(block.get("type")), "")
    if not kind:
        return ""
    mime, data, where = "", "", ""
    for part in (block, *(value for value in block.values() if isinstance(value, Mapping))):
        mime = mime or _first(part, "mime_type", "media_type", "format")
        data = data or _first(part, "base64", "data", "file_data", "url", "image_url")
        where = where or _first(part, "file_id")
    if found := _DATA_URL.match(data):
        mime, data = mime or found[1] or "", data[found.end() :]
    kind = mime.partition("/")[0] if kind == "file" and mime.startswith(("image/", "audio/", "video/")) else kind
    size = file_size(_size(data)) if _is_base64(data) else (where or data)[:LEAST]
    return f"[{', '.join(filter(None, (kind, _short(mime), size)))}]"


def text_label(text: str) -> str:
    """The label of a text that is a file in Base64, or a data URL, with what tells it from every other; empty for any other text."""
    if len(text) < LEAST:
        return ""
    found = _DATA_URL.match(text)
    data = text[found.end() :] if found else text
    mime = (found[1] or "" if found else "") or next((mime for start, mime in MAGIC if data.startswith(start)), "")
    if not mime or not _BASE64.fullmatch(data):
        return ""
    kind = mime.partition("/")[0] if mime.startswith(("image/", "audio/", "video/")) else "file"
    hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"[{kind}, {_short(mime)}, {file_size(_size(data))}, SHA-256 {hashed[:32]}]"


def _first(part: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := part.get(name), str) and value), "")


def _short(mime: str) -> str:
    return mime.rpartition("/")[2].partition(";")[0].removeprefix("x-")[:20]


def _is_base64(data: str) -> bool:
    try:
        binascii.a2b_base64(data[:LEAST], strict_mode=False)
    except ValueError:
        return False
    return bool(data) and bool(_BASE64.fullmatch(data[:LEAST])) and not data.startswith("http")


def _size(data: str) -> int:
    return len(data.rstrip("=")) * 3 // 4
