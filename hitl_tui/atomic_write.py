"""Files that others rely on: there whole under their name, or not at all."""

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
    """A new text file (UTF-8, 0600) that gets its name when the block has ended well; else nothing is left of it.

    Raises:
        Refused: there is such a file already, the folder cannot be written, or the disk is full.
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
        os.link(part, path)  # unlike a rename it never replaces what somebody made meanwhile
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
    """Take away what programs left that were killed while they wrote this file."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = left.name.removeprefix(f".{path.name}.").removesuffix(".part")
        if pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            with contextlib.suppress(OSError):
                left.unlink()


def _exists(path: Path) -> Refused:
    return Refused(f"there is a {path} already", "move it away, or choose another name")
