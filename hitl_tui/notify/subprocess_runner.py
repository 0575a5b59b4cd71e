"""Runs a program that may hang, fail or print without end: for a limited time, together with all it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence

KEPT_BYTES = 4000
"""Bytes kept of the end of its error output."""
MAX_BYTES = 1_000_000
"""Bytes read at all; a program that prints more blocks until its time is up."""
CHUNK_BYTES = 65_536
LOOK_S = 0.02
"""Seconds between looks whether a program has ended whose pipes are still open."""


class Failed(Exception):
    """The program could not be started, took too long, or failed."""

    def __init__(self, reason: str, code: int | None = None, lasting: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        """The end of its error output, or a clause of ours."""
        self.code = code
        """Its exit code; None if it has none."""
        self.lasting = lasting
        """Trying again would not help."""


async def run(command: Sequence[str], given: str, env: Mapping[str, str], timeout_s: float) -> None:
    """Run a program with `given` on its standard input, and `env` beside this process's own.

    The program leads a process group, which is killed when the time is up or the caller is cancelled. The pipes belong to this function, so
    a child that is left behind blocks nobody.

    Raises:
        Failed: the program could not be started, took longer, or ended with a code other than 0.
    """
    try:
        with _input(given) as stdin, _ErrorOutput(asyncio.get_running_loop()) as errors:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=stdin, stdout=asyncio.subprocess.DEVNULL, stderr=errors.write_end,
                env={**os.environ, **env}, start_new_session=True,
            )  # fmt: skip
            errors.close_write_end()
            await _wait(process, timeout_s)
            if process.returncode:
                raise Failed(errors.tail() or _how(process.returncode), process.returncode)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | PermissionError)
        raise Failed(f"{command[0]} cannot be run: {error.strerror}", lasting=missing) from None


async def exchange(command: Sequence[str], given: str, timeout_s: float) -> str:
    """Run a program with `given` on its standard input, and return what it prints, at most `MAX_BYTES`. It is ended as `run` ends it.

    Raises:
        Failed: it could not be started, took longer, printed more, or ended with a code other than 0.
    """
    try:
        with _ErrorOutput(asyncio.get_running_loop()) as errors:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors.write_end,
                start_new_session=True, limit=CHUNK_BYTES,
            )  # fmt: skip
            errors.close_write_end()
            talking = asyncio.ensure_future(_talk(process, given.encode("utf-8", "replace")))
            try:
                await _wait(process, timeout_s)
                printed = await asyncio.wait_for(talking, 1.0)  # a child that is left behind may hold the pipe
            except TimeoutError:
                raise Failed("what it started keeps its output open") from None
            finally:
                talking.cancel()
                await asyncio.gather(talking, return_exceptions=True)
            if len(printed) > MAX_BYTES:
                raise Failed(f"it printed more than {MAX_BYTES:,} bytes")
            if process.returncode:
                raise Failed(errors.tail() or _how(process.returncode), process.returncode)
            return printed.decode("utf-8", "replace")
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | PermissionError)
        raise Failed(f"{command[0]} cannot be run: {error.strerror}", lasting=missing) from None


async def _talk(process: asyncio.subprocess.Process, given: bytes) -> bytes:
    """Write the input while the output is read, so that neither waits for the other."""
    assert process.stdin and process.stdout

    async def write(stdin: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):  # it need not read
            stdin.write(given)
            await stdin.drain()
        stdin.close()

    writing, printed = asyncio.ensure_future(write(process.stdin)), b""
    try:
        while len(printed) <= MAX_BYTES and (more := await process.stdout.read(CHUNK_BYTES)):
            printed += more
        if len(printed) > MAX_BYTES:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    return printed


async def _wait(process: asyncio.subprocess.Process, timeout_s: float) -> None:
    """Wait for the program's end; kill it if that takes too long."""
    try:
        async with asyncio.timeout(timeout_s):
            await _ended(process)
    except TimeoutError:
        raise Failed(f"it did not end within {timeout_s:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the program's end alone: up to Python 3.12, `wait` also waits for pipes, which a child that is left behind may hold."""
    waiting = asyncio.ensure_future(process.wait())
    try:
        while process.returncode is None and not waiting.done():
            await asyncio.wait([waiting], timeout=LOOK_S)
    finally:
        waiting.cancel()


def _how(code: int) -> str:
    return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"


@contextlib.contextmanager
def _input(text: str) -> Iterator[int]:
    """The read end of a pipe that holds the text. A text this short fits into the pipe's buffer."""
    read_end, write_end = os.pipe()
    try:
        with contextlib.suppress(BlockingIOError):
            os.set_blocking(write_end, False)
            os.write(write_end, text.encode("utf-8", "replace"))
        os.close(write_end)
        yield read_end
    finally:
        os.close(read_end)


class _ErrorOutput:
    """Reads a program's error output and keeps the end of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kept = b""
        self._count = 0

    def __enter__(self) -> _ErrorOutput:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._loop.add_reader(self._read_end, self._read)
        self._is_open = True
        return self

    def close_write_end(self) -> None:
        """Close our copy of the write end, once the program has its own."""
        os.close(self.write_end)
        self._is_open = False

    def _read(self) -> None:
        try:
            more = os.read(self._read_end, CHUNK_BYTES)
        except BlockingIOError:
            return
        self._kept = (self._kept + more)[-KEPT_BYTES:]
        self._count += len(more)
        if not more or self._count > MAX_BYTES:
            self._loop.remove_reader(self._read_end)

    def tail(self) -> str:
        """The end of the output so far."""
        self._read()
        return self._kept.decode("utf-8", "replace").strip()

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._read_end)
        os.close(self._read_end)
        if self._is_open:
            os.close(self.write_end)
