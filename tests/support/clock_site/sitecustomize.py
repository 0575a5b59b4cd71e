"""Imported by Python at its start where PYTHONPATH names this folder: the process follows the clock that a test sets."""

import os
from pathlib import Path

if path := os.environ.get("HITL_TEST_CLOCK"):
    from tests.support import set_clock

    set_clock.follow(Path(path))
