"""OpenSSH signatures: text is signed and verified by `ssh-keygen -Y`, with a key in ssh-agent or in a file. No cryptography of our own."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hitl_tui.errors import HitlError, Refused

NAMESPACE = "hitl-tui"
"""Every signature is made for it (`-n`), so that none made for mail, git or files can be used here."""
SIGN_S = 120.0
"""Time for a person to touch a key, or to answer their ssh-agent."""
VERIFY_S = 30.0
TYPES = (
    "ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com", "ssh-rsa",
)  # fmt: skip
"""Types of keys that OpenSSH signs with."""
PROGRAM = "ssh-keygen"
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
LONGEST_SIGNATURE = 20_000
NOT_INSTALLED = "ssh-keygen is not installed", "install the OpenSSH client (openssh-client), version 8.9 or newer"


class NotSigned(Refused):
    """A text could not be signed: no key, a refused touch, a missing program. Nothing was stored, and it can be tried again."""


class CannotVerify(HitlError):
    """No signature can be verified on this machine: `ssh-keygen` is missing, or does not end."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key as a line of OpenSSH's: `ssh-ed25519 AAAAC3… ann@laptop`. Two keys are equal whatever their comments."""

    type: str
    blob: bytes
    """The key in the binary form that the base64 of the line stands for."""

    def __str__(self) -> str:
        return f"{self.type} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """Its SHA-256 as OpenSSH prints it: `SHA256:3f…`."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def read_key(line: str) -> PublicKey:
    """Read a public key.

    Raises:
        Refused: it is no public key, or of a type that OpenSSH does not sign with.
    """
    words = line.split()
    if "PRIVATE KEY" in line:
        raise Refused("this is a private key", "give the public one, from the file that ends in .pub")
    if len(words) < 2 or "\n" in line.strip():
        raise Refused("this is no public key of OpenSSH", "write it as in the .pub file: ssh-ed25519 AAAA… ann@laptop")
    if words[0] not in TYPES:
        raise Refused(f"OpenSSH does not sign with a key of type {words[0][:40]!r}", f"use one of {', '.join(TYPES)}")
    try:
        blob = base64.b64decode(words[1], validate=True)
        name = _strings(blob, 1)[0]
    except (binascii.Error, ValueError):
        raise Refused(f"the key of type {words[0]} is not complete", "copy the whole line of the .pub file") from None
    if name != words[0].encode():
        raise Refused(f"the key says {words[0]}, and holds another type", "copy the whole line of the .pub file")
    return PublicKey(words[0], blob)


def key_of(signature: str) -> PublicKey | None:
    """The key that a signature says it was made with; None if it is no signature of OpenSSH's for this program."""
    text = signature.strip()
    if len(text) > LONGEST_SIGNATURE or not text.startswith(BEGIN) or not text.endswith(END):
        return None
    try:
        data = base64.b64decode("".join(text.removeprefix(BEGIN).removesuffix(END).split()), validate=True)
        if data[:10] != b"SSHSIG\0\0\0\1":
            return None
        blob, namespace = _strings(data[10:], 2)
        type_ = _strings(blob, 1)[0].decode()
    except (binascii.Error, ValueError):
        return None
    return PublicKey(type_, blob) if namespace == NAMESPACE.encode() and type_ in TYPES else None


def _strings(data: bytes, count: int) -> list[bytes]:
    """The first strings of a value in SSH's binary form.

    Raises:
        ValueError: it does not hold so many.
    """
    found: list[bytes] = []
    for _ in range(count):
        size = int.from_bytes(data[:4])
        if len(data) < 4 + size:
            raise ValueError("it ends within a string")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


# Sign


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature, and the key that made it."""

    text: str
    """In the armoured form of OpenSSH, with line breaks."""
    key: PublicKey


async def sign(text: str, keys: Sequence[PublicKey], key_file: Path | None = None, agent_only: bool = False) -> Signature:
    """Sign a text with the first of these keys that ssh-agent (`SSH_AUTH_SOCK`) or a file in `~/.ssh` holds.

    Waits for as long as `SIGN_S` for a touch or for the answer that the agent asks for; a caller that is cancelled ends it at once. Nothing
    is asked in the terminal.

    Args:
        text: what is signed, as UTF-8.
        keys: the keys that count.
        key_file: a private key, or a public one whose private half ssh-agent holds, that is used instead; it must be one of `keys`.
        agent_only: use no file: this process is somebody else's account, to which the person's agent is forwarded.

    Raises:
        NotSigned: none of the keys is here, the agent or the person refused, or `ssh-keygen` is missing.
    """
    if not keys:
        raise NotSigned("you have no valid key in people.toml", "ask a person with the role `people` to add yours")
    if key_file is not None and not agent_only:
        return _known(await _sign_with(text, _existing(key_file)), keys, f"the key of {key_file}")
    with tempfile.TemporaryDirectory(prefix="hitl-sign-") as folder:
        if os.environ.get("SSH_AUTH_SOCK"):
            for number, key in enumerate(keys):
                path = Path(folder) / f"{number}.pub"
                path.write_text(f"{key}\n")
                with contextlib.suppress(_NoSuchKey):
                    return _known(await _sign_with(text, path, by_agent=True), keys, "the key of the agent")
        for path in [] if agent_only else _key_files(keys):
            return _known(await _sign_with(text, path), keys, f"the key of {path}")
    shown = " nor ".join(key.fingerprint for key in keys)
    if agent_only:
        raise NotSigned(f"no ssh-agent is forwarded that holds your key {shown}", "add it with `ssh-add`, and connect with `ssh -A`")
    runs = "neither ssh-agent nor ~/.ssh holds" if os.environ.get("SSH_AUTH_SOCK") else "no ssh-agent runs, and ~/.ssh does not hold"
    raise NotSigned(f"{runs} your key {shown}", "`ssh-add` adds it to the agent; over SSH, connect with `ssh -A`")


def _existing(key_file: Path) -> Path:
    found = key_file.expanduser()
    if not found.is_file():
        raise NotSigned(f"there is no key {key_file}", "correct signing_key in config.toml")
    return found


def _known(signature: str, keys: Sequence[PublicKey], which: str) -> Signature:
    key = key_of(signature)
    if key is None:
        raise NotSigned("ssh-keygen gave no signature", "try it by hand: ssh-keygen -Y sign")
    if key not in keys:
        raise NotSigned(f"{which} ({key.fingerprint}) is not a valid key of yours in people.toml", "use a key that is, or have it added")
    return Signature(signature, key)


def _key_files(keys: Sequence[PublicKey]) -> list[Path]:
    """Private keys in `~/.ssh` of these public ones, in the order of the keys."""
    found: dict[PublicKey, Path] = {}
    with contextlib.suppress(OSError, RuntimeError):  # no such folder, or no home folder
        for path in sorted((Path.home() / ".ssh").glob("*.pub")):
            with contextlib.suppress(Refused, OSError, UnicodeDecodeError):
                if path.with_suffix("").is_file():
                    found.setdefault(read_key(path.read_text("utf-8").strip()), path.with_suffix(""))
    return [found[key] for key in keys if key in found]


class _NoSuchKey(NotSigned):
    """The agent does not hold the key."""


async def _sign_with(text: str, key: Path, by_agent: bool = False) -> str:
    """The armoured signature by the key of a file; `by_agent`: the file is a public key of which only an agent may hold the other half.

    Raises:
        NotSigned: it could not be made.
    """
    with _scratch() as given, _scratch() as out, _scratch() as errors:
        given.write(text.encode())
        given.seek(0)
        process = _started(["-Y", "sign", "-n", NAMESPACE, "-f", str(key)], given, out, errors)
        try:
            async with asyncio.timeout(SIGN_S):
                await _until_ended(process)
        except TimeoutError:
            raise NotSigned(f"the key was not touched, or the agent did not answer, within {SIGN_S:g} s", "decide again") from None
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                threading.Thread(target=process.wait, name="ssh-keygen", daemon=True).start()
        if process.returncode:
            raise _not_signed(_written(errors), key, by_agent)
        return _written(out)


def _scratch() -> BinaryIO:
    """A file without a name, in memory where the system has such files. Unlike a pipe, it makes nobody wait for its other end."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("hitl-sign"), "w+b")
    return tempfile.TemporaryFile()


def _written(file: BinaryIO) -> str:
    """What a process has written into a file."""
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _started(options: Sequence[str], given: BinaryIO, out: BinaryIO, errors: BinaryIO) -> subprocess.Popen[bytes]:
    """`ssh-keygen` with these files, and without the terminal, in which it would ask."""
    try:
        return subprocess.Popen([PROGRAM, *options], stdin=given, stdout=out, stderr=errors, env=_environment(), start_new_session=True)
    except OSError as error:
        raise NotSigned(*_not_started(error)) from None


async def _until_ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process. The event loop itself is told of its end where the system can: a thread in between costs a millisecond."""
    try:
        handle = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        await asyncio.to_thread(process.wait)
        return
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(handle, end)
    try:
        await ended
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    process.wait()


def _environment() -> Mapping[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _not_started(error: OSError) -> tuple[str, str]:
    return NOT_INSTALLED if isinstance(error, FileNotFoundError) else (f"{PROGRAM} cannot be run: {error.strerror}", NOT_INSTALLED[1])


SAID = (
    (r"agent refused operation", "ssh-agent refused to sign: its question or the touch was refused, or took too long", "decide again"),
    (r"communication with agent failed|error fetching identities", "ssh-agent does not answer", "start it again, or connect with `ssh -A`"),
    (r"incorrect passphrase|passphrase is wrong", "the key {} needs a passphrase", "add it to ssh-agent first: ssh-add {}"),
    (r"UNPROTECTED PRIVATE KEY|bad permissions", "the key {} can be read by others, so OpenSSH does not use it", "chmod 600 {}"),
    (r"device not found", "the security key of {} is not plugged in", "plug it in, and decide again"),
    (r"not an OpenSSH FIDO library", "OpenSSH cannot use the library of the security key", "correct SSH_SK_PROVIDER, or leave it out"),
    (r"user presence|touch|timed? ?out", "the security key was not touched in time", "decide again"),
    (r"pin required|incorrect pin", "the security key wants its PIN, for which only ssh-agent asks", "add it to ssh-agent: ssh-add {}"),
    (r"unknown option|illegal option|unsupported operation for -Y", f"this {PROGRAM} is too old to sign", NOT_INSTALLED[1]),
    (r"invalid format|error in libcrypto|not a|unsupported|No such file", "{} is no key of OpenSSH's", "`ssh-keygen -t ed25519` makes one"),
)  # fmt: skip
"""What `ssh-keygen` prints, as a pattern, and what that means; `{}` stands for the file. It always asks for a touch first."""


def _not_signed(said: str, key: Path, by_agent: bool) -> NotSigned:
    for pattern, happened, todo in SAID:
        if re.search(pattern, said, re.IGNORECASE):
            return NotSigned(happened.format("in ssh-agent" if by_agent else key), todo.format(key))
    if re.search(r"No private key found", said):
        return _NoSuchKey(f"the private half of {key} is neither in ssh-agent nor beside it", f"add it to the agent: ssh-add {key}")
    last = (said.strip().splitlines() or ["no reason given"])[-1]
    return NotSigned(f"{PROGRAM} could not sign: {last[:200]}", "try it by hand: ssh-keygen -Y sign")


# Verify


def verify(text: str, signature: str, key: PublicKey) -> bool:
    """Whether this key has signed the text, for this program. Starts `ssh-keygen` and waits: about 10 ms.

    Raises:
        CannotVerify: it cannot be found out here.
    """
    if key_of(signature) != key:
        return False
    with tempfile.TemporaryDirectory(prefix="hitl-verify-") as folder:
        signers, armoured = Path(folder) / "allowed_signers", Path(folder) / "signature"
        signers.write_text(f'signer namespaces="{NAMESPACE}" {key}\n')
        armoured.write_text(signature)
        command = [PROGRAM, "-Y", "verify", "-f", str(signers), "-I", "signer", "-n", NAMESPACE, "-s", str(armoured)]
        try:
            done = subprocess.run(
                command, input=text.encode("utf-8", "surrogatepass"), env=_environment(), capture_output=True, check=False, timeout=VERIFY_S
            )
        except subprocess.TimeoutExpired:
            raise CannotVerify(f"{PROGRAM} did not end within {VERIFY_S:g} s", "try again") from None
        except OSError as error:
            raise CannotVerify(*_not_started(error)) from None
    return done.returncode == 0
