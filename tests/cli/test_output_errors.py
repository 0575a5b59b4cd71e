"""Output that cannot be written is one sentence, and characters the terminal lacks are replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HITL = str(Path(sys.executable).with_name("hitl-tui"))


@pytest.mark.parametrize("arguments", [["runs"], ["runs", "--json"], ["--help"]])
def test_a_full_output_is_a_sentence(tmp_path: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([HITL, *arguments, *([] if "--help" in arguments else ["--home", str(tmp_path)])],
                              stdout=full, stderr=subprocess.PIPE, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "hitl-tui: the output cannot be written: No space left on device\n")


def test_characters_the_output_lacks_are_replaced(tmp_path: Path) -> None:
    command = [HITL, "policy", "init", "--home", str(tmp_path / "ж")]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, check=False)
    assert (done.returncode, done.stderr) == (0, b"") and b"?" in done.stdout
