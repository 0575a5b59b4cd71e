"""`hitl-tui serve` and `web-link`: the console in a browser, and links that let a person in."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec

import click

from hitl_tui.cli.command_group import command
from hitl_tui.cli.options import common_options, python_option, targets_argument
from hitl_tui.cli.ssh_session import admitted
from hitl_tui.console import Workers
from hitl_tui.errors import Refused
from hitl_tui.home import Home, find_home
from hitl_tui.sanitize import visible
from hitl_tui.settings import login, read_settings
from hitl_tui.web.access import Access, loopback_origins, make_link, networks, origin_of

PORT = 8712
MISSING = "install it with `pip install 'hitl-tui[web]'`"


@command("hitl-tui serve --as ann ./my_project", "hitl-tui serve --no-worker --url https://review.example.com")
@targets_argument
@click.option("--as", "name", metavar="NAME", default="", help="Print a link for this person at the start.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="Port to listen on; 0 for a free one.")
@click.option("--url", default="", help="Address at which browsers reach it, where that is another one.")
@click.option("--identity-header", metavar="HEADER", default="", help="Header in which a proxy names the person.")
@click.option("--trust", metavar="ADDRESS", multiple=True, help="Address of a proxy whose header is believed.")
@click.option("--sessions", type=click.IntRange(1, 1000), default=50, show_default=True, help="Consoles open at a time.")
@click.option("--no-worker", is_flag=True, help="Start no worker: others run the agents, as a service does.")
@python_option
@common_options
def serve(
    targets: tuple[str, ...], name: str, host: str, port: int, url: str, identity_header: str, trust: tuple[str, ...], sessions: int,
    no_worker: bool, python: str, home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Show the console in browsers.

    Each page is a console of its own, which ends with the page. A person gets
    in by a link that works once (`hitl-tui web-link`), or is named by a proxy
    in front of this server. Without --host, only this machine reaches it.
    """
    if find_spec("aiohttp") is None or find_spec("textual_serve") is None:
        raise Refused("the console in a browser needs more packages", MISSING)
    is_local = _is_loopback(host)
    if not is_local and not url:
        raise Refused(
            f"{host} is reached from other machines, at an address that only you know", "pass it: --url https://review.example.com"
        )
    if bool(identity_header) != bool(trust):
        raise Refused("--identity-header and --trust belong together", "name the header, and the addresses of the proxies that set it")
    opened = find_home(home).prepare()
    settings = read_settings(opened)
    origins = frozenset([origin_of(url)]) if url else frozenset[str]()
    access = Access(opened, origins, identity_header, networks(trust))
    workers = Workers(targets, opened, settings.concurrency, settings.time_limit_s, python, starts=not no_worker)
    guests = _guests(opened, name, reviewer or settings.reviewer or login()) if not identity_header else []
    sys.exit(asyncio.run(_serve(opened, access, workers, (host, port), sessions, guests)))


@command("hitl-tui web-link ann")
@click.argument("name")
@click.option("--url", default="", help="Address at which browsers reach `hitl-tui serve`; default: what it wrote into the home.")
@common_options
def web_link(name: str, url: str, home: str | None, reviewer: str | None) -> None:
    """Print a link that lets a person in.

    It opens the console in a browser, works once, and for 15 minutes. The
    session that it begins ends after 12 hours, or with `hitl-tui serve`.
    """
    opened = find_home(home).prepare()
    base = origin_of(url) if url else _written_address(opened)
    click.echo(_link(opened, base, name))


def _guests(home: Home, name: str, login_name: str) -> list[str]:
    """For whom a link is printed at the start: whoever was named, else whoever starts the server, if they may get in.

    Raises:
        Refused: people.toml does not have who was named.
    """
    if name:
        return [admitted(home, name)]
    with contextlib.suppress(Refused):
        return [admitted(home, login_name)]
    return []


def _link(home: Home, base: str, name: str) -> str:
    return f"{base}/enter#{make_link(home, admitted(home, name))}"


def _written_address(home: Home) -> str:
    with contextlib.suppress(OSError):
        return home.web_address.read_text("utf-8").strip()
    raise Refused("no `hitl-tui serve` has run on this home", "start it, or pass --url")


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


async def _serve(home: Home, access: Access, workers: Workers, at: tuple[str, int], sessions: int, guests: Sequence[str]) -> int:
    """Serve until a signal ends it."""
    from hitl_tui.notify.answer_links import forget_old
    from hitl_tui.people.file import PeopleFile
    from hitl_tui.policy.loader import HomePeople
    from hitl_tui.store import Store
    from hitl_tui.store.people_log import TrustedPeople
    from hitl_tui.supervisor import own_command
    from hitl_tui.web.answers import AnswerPages
    from hitl_tui.web.server import ConsoleServer, Limits

    def command_of(person: str) -> list[str]:
        return [*own_command(), "ssh-session", "--browser", "--home", str(home.path), "--as", person]

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    is_https = any(origin.startswith("https:") for origin in access.origins)
    server = ConsoleServer(access, command_of, Limits(sessions), is_https)
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(home.database))
        server.answers = AnswerPages(store, home, HomePeople(home.path, TrustedPeople(store, PeopleFile(home.path)).current).current)
        forget_old(home)
        stack.push_async_callback(workers.stop)
        workers.read_targets()
        await workers.use(store)
        try:
            port = await stack.enter_async_context(server.serving(*at))
        except OSError as error:
            raise Refused(f"{at[0]} port {at[1]} cannot be used: {error.strerror}", "choose another with --port") from None
        base = next(iter(access.origins), f"http://{f'[{at[0]}]' if ':' in at[0] else at[0]}:{port}")
        if not access.origins:
            access.origins = loopback_origins(port)
        home.web.mkdir(mode=0o700, exist_ok=True)
        home.web_address.touch(mode=0o600)
        home.web_address.write_text(base + "\n", "utf-8")
        _say(f"the console is at {base}; ctrl+c ends it")
        if not is_https and not _is_loopback(at[0]):
            _say("what is sent is not encrypted: put a proxy with TLS in front of it")
        for guest in guests:
            _say(f"a link for {guest}, which works once: {_link(home, base, guest)}")
        workers.start(lambda: None, _say)
        await ended.wait()
        _say("the consoles are being closed …")
    home.web_address.unlink(missing_ok=True)
    return 0


def _say(sentence: str) -> None:
    print(f"hitl-tui: {visible(sentence)}", file=sys.stderr, flush=True)
