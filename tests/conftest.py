"""Places to work in: one long-lived worker per project and session, or a home of one's own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.harness import PROJECTS, Forge, Place, Reviewer, reviewer

os.environ.setdefault("HITL_SCRIPTED_DELAY", "0")  # the sample agents stream at the speed of a real model, and tests do not watch

Keep = Callable[[str], Place]


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """Where worker processes come from."""
    started = Forge()
    yield started
    started.close()


@pytest.fixture(scope="session")
def keep(tmp_path_factory: pytest.TempPathFactory, forge: Forge) -> Iterator[Keep]:
    """A project's place with a worker that lives as long as the session."""
    places: dict[str, Place] = {}

    def kept(project: str) -> Place:
        if project not in places:
            places[project] = Place(tmp_path_factory.mktemp(project), str(PROJECTS / project), forge)
            places[project].start()
        return places[project]

    yield kept
    for place in places.values():
        place.end()


@pytest.fixture
def own(tmp_path: Path, forge: Forge) -> Iterator[Callable[[str], Place]]:
    """A place of one's own: `own("trouble")`; its workers end with the test."""
    places: list[Place] = []

    def make(project: str) -> Place:
        target = PROJECTS / project
        folder = tmp_path / f"place{len(places)}"
        folder.mkdir()
        places.append(Place(folder, str(target) if target.exists() else project, forge))
        return places[-1]

    yield make
    for place in places:
        place.end()


@pytest.fixture
async def pauses(keep: Keep) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/pauses."""
    async with reviewer(keep("pauses")) as someone:
        yield someone
