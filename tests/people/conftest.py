"""Fixtures of the tests of rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.people.team import Team
from tests.support.empty_database import open_store
from tests.ui.homes import seed


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    async with open_store(tmp_path / "hitl.db") as store:
        yield Team(store, await seed.add_project(store), tmp_path)
