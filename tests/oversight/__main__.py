"""`python -m tests.oversight [--runs N] [--seeds N] [--output FILE]`: the oversight benchmark; writes docs/evidence.md and its plots."""

from __future__ import annotations

from tests.oversight.benchmark.report import main

if __name__ == "__main__":
    main()
