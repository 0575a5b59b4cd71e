"""Peak memory of an export of a million decisions, relative to one of ten thousand."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import large_home
from tests.benchmarks.ratio import Ratio

MANY, FEW = 1_000_000, 10_000
FORMATS = ("sft", "csv")
CHILD = (  # not getrusage: it starts a child at its parent's peak
    "import sys; from hitl_tui.cli import main; main(sys.argv[1:], standalone_mode=False); "
    "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
)


def measure() -> list[Ratio]:
    """One ratio for each of the formats that differ most."""
    peaks: dict[int, list[float]] = {}
    for count in (FEW, MANY):
        with tempfile.TemporaryDirectory() as folder:
            large_home.fill(Path(folder) / "hitl.db", count)
            peaks[count] = [peak(Path(folder), format_) for format_ in FORMATS]
    name = f"export of {MANY:,} decisions ÷ of {FEW:,}: peak memory, as"
    return [Ratio(f"{name} {format_}", peaks[MANY][i], peaks[FEW][i], 1.2, unit="kB") for i, format_ in enumerate(FORMATS)]


def peak(home: Path, format_: str) -> float:
    """Peak memory in bytes of a process that exports; the file is deleted afterwards."""
    out = home / f"out.{format_}"
    command = [sys.executable, "-c", CHILD, "export", str(out), "--format", format_, "--home", str(home)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert out.stat().st_size
    out.unlink()
    return float(done.stdout.split()[-1]) * 1024
