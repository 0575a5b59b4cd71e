"""Writes a file atomically: it appears complete under its name, or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import psutil

from hitl_tui.errors import Refused


@contextlib.contextmanager
def whole(path: Path) -> Iterator[TextIO]:
    """Open a new text file (UTF-8, mode 0600) that gets its name at the end of the block. If the block raises, the file is deleted.

    Raises:
        Refused: the file exists already, the folder cannot be written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() or path.is_symlink():
            raise _exists(path)
        _sweep(path)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        os.link(part, path)  # unlike a rename, a link never replaces a file that was created meanwhile
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise Refused(
            f"{path} cannot be written: {error.strerror or error}", "nothing was left under that name; choose another place"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _sweep(path: Path) -> None:
    """Delete partial files of processes that were killed while they wrote this file."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = left.name.removeprefix(f".{path.name}.").removesuffix(".part")
        if pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            with contextlib.suppress(OSError):
                left.unlink()


def _exists(path: Path) -> Refused:
    return Refused(f"{path} exists already", "move it away, or choose another name")
