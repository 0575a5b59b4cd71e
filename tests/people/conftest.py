"""Fixtures of the tests of rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.people.office import Office
from tests.support.empty_database import open_store
from tests.ui.homes import seed


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_store(tmp_path / "hitl.db") as store:
        yield Office(store, await seed.add_project(store), tmp_path)
