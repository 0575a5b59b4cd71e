"""config.toml: what each key takes, and that a mistake is one sentence that names the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from hitl_tui.errors import BadHome
from hitl_tui.home import Home
from hitl_tui.settings import Settings, read_settings

pytestmark = pytest.mark.slow


def test_every_key_of_the_config_is_read(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert read_settings(home) == Settings()
    home.config.write_text(
        'reviewer = "ann"\nsigning_key = "~/key"\ntheme = "nord"\nconcurrency = 3\nundo_s = 2\nclaim_s = 0\ntime_limit_s = 5.5\n'
        'reject_reasons = ["no"]\ntitle = false\nalerts = { arrival = "bell" }\nkeys = { approve = "i" }\n[servers."http://h:1"]\n'
    )
    found = read_settings(home)
    assert (found.reviewer, found.key_file, found.theme, found.concurrency) == ("ann", Path.home() / "key", "nord", 3)
    assert (found.undo_s, found.claim_s, found.time_limit_s, found.reject_reasons, found.title) == (2.0, 0.0, 5.5, ("no",), False)
    assert (found.alerts, found.keys, list(found.servers)) == ({"arrival": "bell"}, {"approve": "i"}, ["http://h:1"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reviewer = 1", "reviewer is not a string"), ("theme = []", "theme is not a string"), ("concurrency = 0", "from 1 to 1000"),
        ("concurrency = true", "from 1 to 1000"), ("undo_s = 3601", "from 0 to 3,600"), ('claim_s = "1m"', "from 0 to 86,400"),
        ("time_limit_s = -1", "from 0 to 100,000,000"), ("undo_s = nan", "from 0 to 3,600"), ('reject_reasons = "no"', "at most 9 strings"),
        (f"reject_reasons = {['no'] * 10}", "at most 9 strings"), ("reject_reasons = [1]", "at most 9 strings"),
        ('title = "on"', "title is not true or false"), ('alerts = "bell"', "a table of arrival and failure"),
        ('alerts = { arrival = "flash" }', "each with bell, notice or both"),
        ('alerts = { done = "bell" }', "a table of arrival and failure"),
        ("keys = { approve = 1 }", "keys is not a table of strings"), ('keys = "a"', "keys is not a table of strings"),
        ("servers = 1", "servers is not a table"), ("reviewr = 1", "unknown key 'reviewr'"), ("reviewer", "is not TOML"),
    ],
)  # fmt: skip
def test_mistake_in_the_config_is_refused_with_the_key_and_the_file(tmp_path: Path, text: str, said: str) -> None:
    home = Home(tmp_path)
    home.config.write_text(text)
    with pytest.raises(BadHome) as caught:
        read_settings(home)
    assert said in caught.value.happened and str(home.config) in caught.value.happened


def test_config_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config.write_bytes(b'reviewer = "\xff"')
    with pytest.raises(BadHome, match="cannot be read"):
        read_settings(home)
    home.config.unlink()
    home.config.mkdir()
    with pytest.raises(BadHome, match="cannot be read"):
        read_settings(home)
