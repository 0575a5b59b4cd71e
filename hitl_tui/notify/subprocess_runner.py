"""Running a program that may hang, fail or talk without end: for a limited time, and with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence

SAID = 4000
"""Bytes kept of what it says last."""
PATIENCE = 1_000_000
"""Bytes heard at all: one that says more waits for an ear until its time is up."""
PIECE = 65_536


class Failed(Exception):
    """It could not be started, did not end in time, or ended badly: `said` is why, in its own words or ours."""

    def __init__(self, said: str, code: int | None = None, lasting: bool = False) -> None:
        super().__init__(said)
        self.said = said
        self.code = code
        """Its exit code; None where it has none."""
        self.lasting = lasting
        """It would be the same another time."""


async def run(command: Sequence[str], given: str, env: Mapping[str, str], timeout_s: float) -> None:
    """Run a program with `given` on its standard input, and `env` beside this process's own.

    It leads a group of processes, which is killed when the time is up or the caller is cancelled. Pipes are this function's own: a child
    that it leaves behind holds nobody up.

    Raises:
        Failed: it could not be started, took longer, or ended with another code than 0.
    """
    try:
        with _input(given) as stdin, _Ear(asyncio.get_running_loop()) as ear:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=stdin, stdout=asyncio.subprocess.DEVNULL, stderr=ear.theirs,
                env={**os.environ, **env}, start_new_session=True,
            )  # fmt: skip
            ear.begun()
            await _end_of(process, timeout_s)
            if process.returncode:
                raise Failed(ear.heard() or _how(process.returncode), process.returncode)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | PermissionError)
        raise Failed(f"{command[0]} cannot be run: {error.strerror}", lasting=missing) from None


async def _end_of(process: asyncio.subprocess.Process, timeout_s: float) -> None:
    """Wait for its end, and see to it."""
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
    except TimeoutError:
        raise Failed(f"it did not end within {timeout_s:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _how(code: int) -> str:
    return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"


@contextlib.contextmanager
def _input(text: str) -> Iterator[int]:
    """A pipe's end with a text in it; one so short never waits to be read."""
    theirs, ours = os.pipe()
    try:
        with contextlib.suppress(BlockingIOError):
            os.set_blocking(ours, False)
            os.write(ours, text.encode("utf-8", "replace"))
        os.close(ours)
        yield theirs
    finally:
        os.close(theirs)


class _Ear:
    """Hears what a program says, and keeps the end of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kept = b""
        self._count = 0

    def __enter__(self) -> _Ear:
        self._ours, self.theirs = os.pipe()
        os.set_blocking(self._ours, False)
        self._loop.add_reader(self._ours, self._hear)
        self._open = True
        return self

    def begun(self) -> None:
        """The program has its end of the pipe now."""
        os.close(self.theirs)
        self._open = False

    def _hear(self) -> None:
        try:
            more = os.read(self._ours, PIECE)
        except BlockingIOError:
            return
        self._kept = (self._kept + more)[-SAID:]
        self._count += len(more)
        if not more or self._count > PATIENCE:
            self._loop.remove_reader(self._ours)

    def heard(self) -> str:
        """The end of what it said, up to now."""
        self._hear()
        return self._kept.decode("utf-8", "replace").strip()

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._ours)
        os.close(self._ours)
        if self._open:
            os.close(self.theirs)
