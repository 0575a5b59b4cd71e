"""Masking of credentials, measured by a collection that was made without looking at the rules."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from hitl_tui.export import Masker
from hitl_tui.export.redaction import PERSONAL_DATA
from tests.export.credential_corpus import FORMATS, HARMLESS_KEYS, SECRET_KEYS, Sample, build, ordinary_texts
from tests.support.tiers import sampled

CHUNK = 12
"""So many characters of a secret in a row give it away."""


def gives_away(text: str, secret: str) -> bool:
    size = min(CHUNK, len(secret))
    return any(secret[at : at + size] in text for at in range(len(secret) - size + 1))


def masked(text: str) -> str:
    return str(Masker().mask({"body": text})["body"])


def samples() -> list[Sample]:
    return [build(name, template) for name, template in FORMATS.items()]


WAYS: tuple[Callable[[str], str], ...] = (
    lambda text: f"Please use {text} for the next step, says Ann.",
    lambda text: text,
    lambda text: json.dumps({"command": ["run", {"x": text}]}),
    lambda text: f'value = "{text}"',
)
"""How people and programs pass a text on."""


def test_collection_is_large_enough_to_measure_by() -> None:
    assert len(FORMATS) >= 110
    assert len(set(SECRET_KEYS)) >= 65
    assert len(ordinary_texts()) + len(HARMLESS_KEYS) >= 300


@pytest.mark.parametrize("way", sampled(range(len(WAYS))))
def test_credentials_of_documented_formats_are_masked(way: int) -> None:
    missed = {one.name for one in samples() if gives_away(masked(WAYS[way](one.text)), one.secret)}
    assert len(missed) <= 0.05 * len(FORMATS), missed


def test_values_under_secret_names_are_masked() -> None:
    missed = set()
    for name in SECRET_KEYS:
        for value in ("hunter2-Correct9", "correct horse battery staple", 482913):
            if Masker().mask({name: value})[name] == value:
                missed.add(name)
        for line in (
            f"{name}=hunter2correct9",
            f"{name}: hunter2correct9",
            f'{{"{name}": "hunter2correct9"}}',
            f"{name} = 'hunter2correct9'",
        ):
            if "hunter2" in masked(line):
                missed.add(name)
    assert len(missed) <= 0.05 * len(set(SECRET_KEYS)), missed


def test_ordinary_texts_and_names_are_not_masked_as_secrets() -> None:
    personal = {mask.name for mask in PERSONAL_DATA}
    alarms = []
    for value in [{"text": text} for text in ordinary_texts()] + [{name: value} for name, value in HARMLESS_KEYS.items()]:
        masker = Masker()
        masker.mask(value)
        if set(masker.counts) - personal:
            alarms.append(value)
    assert len(alarms) <= 0.01 * (len(ordinary_texts()) + len(HARMLESS_KEYS)), alarms


@pytest.mark.parametrize("wrap", ["base64", "base64url", "url", "json", "json in json"])
def test_encoded_credentials_are_masked(wrap: str) -> None:
    token = build("one", "gh|p_{A36}").text
    text = f"token={token} for the deploy"
    encoded = {
        "base64": base64.b64encode(text.encode()).decode(),
        "base64url": base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        "url": quote(text, safe=""),
        "json": json.dumps({"a": [text]}),
        "json in json": json.dumps({"a": json.dumps({"b": text})}),
    }[wrap]
    out = masked(f"see {encoded}") if "json" not in wrap else masked(encoded)
    assert encoded not in out
    assert not gives_away(out, token)
    if "json" in wrap:
        assert json.loads(out)["a"]


def test_secrets_below_a_secret_name_are_masked() -> None:
    value = {
        "recovery_codes": ["abcd-efgh", "ijkl-mnop"],
        "token": {"type": "string", "value": "swordfish"},
        "env": [{"name": "DB_PASSWORD", "value": "swordfish"}, {"name": "REGION", "value": "eu-central-1"}],
        "credentials": {"user": "ann", "password": "swordfish"},
        "auth": {"kind": "basic"},
        "password": None,
        "secret": "",
    }
    assert Masker().mask(value) == {
        "recovery_codes": ["[password]", "[password]"],
        "token": {"type": "string", "value": "[password]"},
        "env": [{"name": "DB_PASSWORD", "value": "[password]"}, {"name": "REGION", "value": "eu-central-1"}],
        "credentials": {"user": "ann", "password": "[password]"},
        "auth": {"kind": "basic"},
        "password": None,
        "secret": "",
    }


@pytest.mark.parametrize("piece", ["-----BEGIN PRIVATE KEY-----", "password:", "key=", "a://b:", "eyJ.", "%41", "\\", '"', "curl -u a"])
def test_masking_time_grows_with_the_length_of_the_text(piece: str) -> None:
    masked(piece * 4000)  # a pattern that backtracks would need minutes
