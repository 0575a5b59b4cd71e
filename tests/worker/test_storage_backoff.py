"""Waits of a worker whose disk or server fails."""

from __future__ import annotations

import pytest

from hitl_tui.agents.local_source import LocalSource
from hitl_tui.agents.server_source import ServerSource
from hitl_tui.errors import Storage
from hitl_tui.worker.storage_backoff import StorageBackoff


@pytest.mark.parametrize("source", [LocalSource, ServerSource])
async def test_wait_after_errors_grows_to_what_the_source_allows(source: type[LocalSource | ServerSource]) -> None:
    """A server answers again once a connection is there: decisions must not wait a minute because each of a few runs lost one."""

    async def check() -> None:
        pass

    told = list[str]()
    backoff = StorageBackoff(check, told.append, source.longest_wait_s)
    assert backoff.wait_s == 0 and await backoff.storage_works()
    backoff.record(Storage("the connection broke off"))
    assert 0 < backoff.wait_s <= 1 and not await backoff.storage_works()
    for _ in range(20):
        backoff.record(Storage("the connection broke off"))
    assert source.longest_wait_s / 2 < backoff.wait_s <= source.longest_wait_s
    assert ServerSource.longest_wait_s == 15, "docs/servers.md says so"
    assert told == ["the connection broke off"]
