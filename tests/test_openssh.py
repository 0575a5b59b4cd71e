"""Signatures by real keys of ssh-keygen and ssh-agent; what cannot be signed with is one sentence."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hitl_tui import openssh
from hitl_tui.errors import Refused
from hitl_tui.openssh import CannotVerify, NotSigned
from tests.support.ssh import SK_PROVIDER, agent, asking, make_key, needs_openssh, needs_sk_dummy, public
from tests.support.tiers import sampled

TEXT = '{"decision":"approve","person":"Zoë"}'

pytestmark = needs_openssh


@pytest.fixture(autouse=True)
def _no_keys_of_this_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "login" / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "login"))
    for name in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("type_", "by"), sampled([("ed25519", "agent"), ("ed25519", "file"), ("ecdsa", "agent"), ("rsa", "home")]))
async def test_signature_verifies_by_its_key_and_text_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_: str, by: str) -> None:
    key = make_key(tmp_path / "login" / ".ssh" if by == "home" else tmp_path, "mine", type_=type_)
    other = public(make_key(tmp_path, "other"))
    with agent(tmp_path, *([key] if by == "agent" else [])) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        made = await openssh.sign(TEXT, [other, public(key)], key if by == "file" else None)
    assert made.key == public(key) == openssh.key_of(made.text)
    assert openssh.verify(TEXT, made.text, public(key))
    assert not openssh.verify(TEXT + " ", made.text, public(key))
    assert not openssh.verify(TEXT, made.text, other)


@pytest.mark.slow
@needs_sk_dummy
@pytest.mark.parametrize("by_agent", [False, True], ids=["by its file", "by an agent"])
@pytest.mark.parametrize("type_", ["ed25519-sk", "ecdsa-sk"])
async def test_security_key_signs_through_openssh_as_a_fido2_token_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_: str, by_agent: bool
) -> None:
    monkeypatch.setenv("SSH_SK_PROVIDER", SK_PROVIDER)
    key = make_key(tmp_path, "token", type_=type_)
    other = public(make_key(tmp_path, "other", type_=type_))
    with agent(tmp_path, *([key] if by_agent else []), options=("-S", SK_PROVIDER), provider=SK_PROVIDER) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        made = await openssh.sign(TEXT, [other, public(key)], None if by_agent else key)
    monkeypatch.delenv("SSH_SK_PROVIDER")
    assert made.key == public(key) == openssh.key_of(made.text) and made.key.type.startswith("sk-")
    assert openssh.verify(TEXT, made.text, public(key)), "whoever verifies needs no token"
    assert not openssh.verify(TEXT + " ", made.text, public(key)) and not openssh.verify(TEXT, made.text, other)


@pytest.mark.slow
@needs_sk_dummy
async def test_security_key_that_cannot_be_used_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_SK_PROVIDER", SK_PROVIDER)
    key = make_key(tmp_path, "token", type_="ed25519-sk")
    monkeypatch.setenv("SSH_SK_PROVIDER", str(tmp_path / "none.so"))
    assert "cannot use the library of the security key" in await refused(public(key), key_file=key)


def signed_for_mail(key: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(key)], input=TEXT.encode(), capture_output=True, check=True)
    return done.stdout.decode()


def test_signature_for_another_program_does_not_count(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    assert openssh.key_of(signed_for_mail(key)) is None
    assert not openssh.verify(TEXT, signed_for_mail(key), public(key))


@pytest.mark.parametrize("text", ["", "no signature", f"{openssh.BEGIN}\nU1NIU0lH\n{openssh.END}", f"{openssh.BEGIN}\n!\n{openssh.END}"])
def test_text_that_is_no_signature_names_no_key(text: str) -> None:
    assert openssh.key_of(text) is None


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEvurIU/slpL2nNeAw/YinC3B6hFYeNXFhNNo7gM52tZ"


def test_key_is_read_with_or_without_comment() -> None:
    assert openssh.read_key(f"{KEY} ann@laptop") == openssh.read_key(KEY)
    assert str(openssh.read_key(f"{KEY} ann@laptop")) == KEY
    assert openssh.read_key(KEY).fingerprint.startswith("SHA256:")


@pytest.mark.parametrize(
    "line",
    ["", "ann", "ssh-dss AAAAB3NzaC1kc3M= ann", "ssh-ed25519 AAAA", "ssh-rsa " + KEY.split()[1], KEY + "\n" + KEY, "ssh-ed25519 ?",
     "-----BEGIN OPENSSH PRIVATE KEY-----", KEY.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com")],
)  # fmt: skip
def test_key_in_a_form_that_openssh_does_not_know_is_refused(line: str) -> None:
    with pytest.raises(Refused):
        openssh.read_key(line)


async def refused(*keys: openssh.PublicKey, key_file: Path | None = None) -> str:
    with pytest.raises(NotSigned) as raised:
        await openssh.sign(TEXT, keys, key_file)
    assert "\n" not in str(raised.value)
    return str(raised.value)


async def test_missing_key_is_a_sentence_with_and_without_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = public(make_key(tmp_path))
    assert "no valid key in people.toml" in await refused()
    assert "no ssh-agent runs" in await refused(key)
    with agent(tmp_path) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        assert f"neither ssh-agent nor ~/.ssh holds your key {key.fingerprint}" in await refused(key)
    assert "your key" in await refused(key)  # the agent is gone


async def test_key_files_of_another_account_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path / "login" / ".ssh")
    with pytest.raises(NotSigned, match="no ssh-agent is forwarded"):
        await openssh.sign(TEXT, [public(key)], key, agent_only=True)
    with agent(tmp_path, key) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        assert (await openssh.sign(TEXT, [public(key)], agent_only=True)).key == public(key)


async def test_agent_that_refuses_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path)
    with agent(tmp_path, key, options=("-c",)) as socket:  # asks each time, and has nothing to ask with
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        assert "refused to sign" in await refused(public(key))


@pytest.mark.slow
async def test_key_file_that_cannot_be_used_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked, own, other = make_key(tmp_path, "locked", "secret"), make_key(tmp_path, "own"), make_key(tmp_path, "other")
    assert "needs a passphrase" in await refused(public(locked), key_file=locked)
    assert "is not a valid key of yours" in await refused(public(own), key_file=other)
    assert "there is no key" in await refused(public(own), key_file=tmp_path / "none")
    (tmp_path / "text").write_text("no key at all")
    (tmp_path / "text").chmod(0o600)
    assert "is no key of OpenSSH's" in await refused(public(own), key_file=tmp_path / "text")
    own.chmod(0o644)
    assert "can be read by others" in await refused(public(own), key_file=own)
    own.unlink()
    assert "neither in ssh-agent nor beside it" in await refused(public(own), key_file=own.with_name("own.pub"))


async def test_missing_ssh_keygen_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path)
    made = await openssh.sign(TEXT, [public(key)], key)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ssh-keygen is not installed" in await refused(public(key), key_file=key)
    with pytest.raises(CannotVerify, match="not installed"):
        openssh.verify(TEXT, made.text, public(key))


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - another process makes it so
        await asyncio.sleep(0.01)


async def test_waiting_for_a_touch_ends_when_it_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path)
    with asking(tmp_path) as asked, agent(tmp_path, key, options=("-c",)) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        signing = asyncio.ensure_future(openssh.sign(TEXT, [public(key)]))
        await until(asked.exists)
        assert not signing.done()
        signing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await signing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo 'out of memory' >&2; exit 1", "ssh-keygen could not sign: out of memory"),
        ("exit 1", "ssh-keygen could not sign: no reason given"),
        ("exit 0", "ssh-keygen gave no signature"),
    ],
)
async def test_ssh_keygen_that_does_not_sign_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, said: str) -> None:
    key, program = make_key(tmp_path), tmp_path / "bin" / openssh.PROGRAM
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert said in await refused(public(key), key_file=key)


async def test_key_that_nobody_touches_is_a_sentence_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, program = make_key(tmp_path), tmp_path / "bin" / openssh.PROGRAM
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(openssh, "SIGN_S", 0.1)
    assert "was not touched" in await refused(public(key), key_file=key)
