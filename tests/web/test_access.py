"""Who a browser belongs to: links that work once, cookies, headers of proxies, and what pages of other sites may do."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from hitl_tui.cli.ssh_session import admitted
from hitl_tui.errors import BadHome, Refused
from hitl_tui.home import Home
from hitl_tui.web import access
from hitl_tui.web.access import Access, Caller, loopback_origins, make_link, networks, origin_of

ORIGIN = "http://127.0.0.1:8712"
CALLER = Caller("127.0.0.1", "127.0.0.1:8712", ORIGIN, "")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).prepare()


@pytest.fixture
def links(home: Home) -> Access:
    return Access(home, loopback_origins(8712))


def behind(home: Home, *trusted: str) -> Access:
    return Access(home, frozenset(["https://review.example.com"]), "X-User", networks(trusted))


def caller(cookie: str = "", **changed: object) -> Caller:
    return dataclasses.replace(CALLER, cookie=cookie, **changed)  # type: ignore[arg-type]


def test_link_lets_one_person_in_once(home: Home, links: Access) -> None:
    token = make_link(home, "ann")
    assert token not in "".join(path.read_text() + path.name for path in home.web.iterdir())
    assert home.open_to_others() == []
    cookie = links.enter(token)
    assert links.person(caller(cookie)) == "ann"
    with pytest.raises(Refused, match="this link was used"):
        links.enter(token)
    assert list(home.web.iterdir()) == []
    links.leave(cookie)
    with pytest.raises(Refused, match="this session is over"):
        links.person(caller(cookie))


@pytest.mark.parametrize("token", ["", "x" * 43, "../config.toml", "\udcff", "a\0b"])
def test_token_that_nobody_made_lets_nobody_in(home: Home, links: Access, token: str) -> None:
    make_link(home, "ann")
    with pytest.raises(Refused, match="this link was used, or its time is over"):
        links.enter(token)
    with pytest.raises(Refused):
        links.person(caller(token))


def test_link_and_session_end_by_themselves(home: Home, links: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="its time is over"):
        links.enter(make_link(home, "ann", for_s=-1))
    monkeypatch.setattr(access, "SESSION_S", -1)
    with pytest.raises(Refused, match="this session is over"):
        links.person(caller(links.enter(make_link(home, "ann"))))


def test_cookie_of_a_server_that_was_started_again_is_refused(home: Home, links: Access) -> None:
    cookie = links.enter(make_link(home, "ann"))
    with pytest.raises(Refused, match="this session is over; ask for another link"):
        Access(home, loopback_origins(8712)).person(caller(cookie))


def test_link_that_is_damaged_lets_nobody_in(home: Home, links: Access) -> None:
    for content in ("{", "[]", '{"person": "bob"}', f'{{"person": "bob", "until": "{time.time()}x"}}'):
        token = make_link(home, "ann")
        [path] = home.web.glob("link-*")
        path.write_text(content)
        with pytest.raises(Refused):
            links.enter(token)


@pytest.mark.parametrize(
    "origin",
    [None, "null", "", "http://evil.example", "http://127.0.0.1:8713", "https://127.0.0.1:8712", "http://127.0.0.1:8712.evil.example"],
)
def test_page_of_another_site_is_refused(links: Access, origin: str | None) -> None:
    with pytest.raises(Refused, match="may not use this server"):
        links.check_origin(caller(origin=origin))
    links.check_origin(CALLER)


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1", "127.0.0.1:80", "review.example.com"])
def test_name_that_was_pointed_at_this_server_is_refused(links: Access, host: str) -> None:
    with pytest.raises(Refused, match="this server is not"):
        links.check_host(caller(host=host))
    links.check_host(caller(host="LOCALHOST:8712"))


def test_header_is_believed_only_from_the_named_proxies(home: Home) -> None:
    proxied = behind(home, "10.0.0.5", "192.168.0.0/16", "fd00::/8")
    for address in ("10.0.0.5", "192.168.3.4", "::ffff:10.0.0.5", "fd00::1"):
        assert proxied.person(caller(address=address, named=["ann"])) == "ann"
    for address in ("10.0.0.6", "127.0.0.1", "::1", "::ffff:10.0.0.6", "fe80::1%eth0"):
        with pytest.raises(Refused, match="is not a proxy that may say who you are"):
            proxied.person(caller(address=address, named=["ann"]))
    for names, told in (([], "not at all"), (["ann", "bob"], "more than once"), ([" "], "not at all")):
        with pytest.raises(Refused, match=told):
            proxied.person(caller(address="10.0.0.5", named=names))


def test_header_holds_a_name_an_alias_or_an_address_of_one_person(home: Home) -> None:
    proxied, text = behind(home, "10.0.0.5"), '[[person]]\nname = "{0}"\naliases = ["{0}.m"]\nemail = "{1}"\n'
    people = home.path / "people.toml"
    people.write_text("".join(text.format(name, f"{name}@example.com") for name in ("ann", "bob")))
    for said in ("ann", "ANN.M", "ann@example.com", " Ann@Example.com "):
        assert proxied.person(caller(address="10.0.0.5", named=[said])) == "ann"
    for said in ("ann@example.org", "ann@exаmple.com", "ann@example.com.evil", "example.com", "@example.com"):
        stranger = proxied.person(caller(address="10.0.0.5", named=[said]))
        with pytest.raises(Refused, match=r"is not in people\.toml"):
            admitted(home, stranger)
    people.write_text("".join(text.format(name, "team@example.com") for name in ("ann", "bob")))
    with pytest.raises(Refused, match=r"is not in people\.toml"):
        admitted(home, proxied.person(caller(address="10.0.0.5", named=["team@example.com"])))
    people.write_text(text.format("ann", "ann@example.com") + text.format("bob", "b@example.com").replace("bob.m", "ann@example.com"))
    with pytest.raises(Refused, match="is a name of one person and the address of another"):
        proxied.person(caller(address="10.0.0.5", named=["ann@example.com"]))


def test_link_and_cookie_let_nobody_in_behind_a_proxy(home: Home, links: Access) -> None:
    cookie, token = links.enter(make_link(home, "bob")), make_link(home, "bob")
    proxied = behind(home, "10.0.0.5")
    with pytest.raises(Refused, match="links are not used here"):
        proxied.enter(token)
    with pytest.raises(Refused, match="names you not at all"):
        proxied.person(caller(cookie, address="10.0.0.5"))


def test_header_without_a_proxy_names_nobody(links: Access) -> None:
    with pytest.raises(Refused, match="you are not signed in"):
        links.person(caller(named=["ann"]))


def test_origin_of_an_address_is_as_browsers_send_it() -> None:
    assert origin_of("https://Review.example.com:443/") == "https://review.example.com"
    assert origin_of("http://[::1]:8712") == "http://[::1]:8712"
    for url in ("review.example.com", "ftp://a", "https://", "https://a/path", "https://ann@a", "https://a:x", "http://[::1"):
        with pytest.raises(Refused, match="is no address of a site"):
            origin_of(url)
    with pytest.raises(Refused, match="is no address"):
        networks(["proxy.example.com"])


@pytest.mark.slow
def test_oldest_session_ends_when_there_are_too_many(home: Home, links: Access) -> None:
    first, *_, last = (links.enter(make_link(home, f"p{number}")) for number in range(access.MOST_SESSIONS + 1))
    assert links.person(caller(last)) == f"p{access.MOST_SESSIONS}"
    with pytest.raises(Refused, match="this session is over"):
        links.person(caller(first))


def test_links_whose_time_is_over_are_deleted(home: Home) -> None:
    make_link(home, "ann")
    (old,) = home.web.iterdir()
    make_link(home, "bob")
    os.utime(old, (time.time() - access.LINK_S - 1,) * 2)
    access.forget_old_links(home)
    assert len(list(home.web.iterdir())) == 1 and not old.exists()


def test_link_for_a_home_that_cannot_be_written_is_refused(home: Home) -> None:
    home.web.write_text("in the way")
    with pytest.raises(BadHome, match="cannot be written"):
        make_link(home, "ann")
