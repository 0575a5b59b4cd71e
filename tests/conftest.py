"""Homes with worker processes for tests, and how tests are distributed over processes."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.support import properties as properties  # loads the profile before any test is decorated
from tests.support.harness import PROJECTS, Forge, Place, Reviewer, reviewer

os.environ.setdefault("HITL_SCRIPTED_DELAY", "0")  # the sample agents stream at the speed of a real model, and tests do not watch

Keep = Callable[[str], Place]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests that share a worker process, and start what takes long first."""
    for item in items:
        if "keep" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    folders = {"e2e": 0, "worker": 1, "ui": 2}
    items.sort(key=lambda item: folders.get(item.path.relative_to(Path(__file__).parent).parts[0], 3))


def pytest_collection_finish() -> None:
    """Keep what is imported out of garbage collections, which otherwise walk LangChain's modules again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """Where worker processes come from."""
    started = Forge()
    yield started
    started.close()


@pytest.fixture(scope="module")
def keep(tmp_path_factory: pytest.TempPathFactory, forge: Forge) -> Iterator[Keep]:
    """A project's place with a worker that the tests of a module share."""
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
