"""Finds the hosts that a text addresses: in mail addresses, URLs and bare host names. An ambiguous text has no hosts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hitl_tui.look_alikes import skeleton

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
_MAIL = re.compile(rf"[A-Za-z0-9.#$&*+/=^_`{{|}}~'-]+@({_HOST})")
"""Without `!`, `%` and `?`: with them, some mail servers and programs send to another host."""
_NAMED = re.compile(r'[^<>@,;:"\\\x00-\x1f\x7f-\x9f]*<([^<>]*)>')
_URL = re.compile(rf"(?:https?|wss?|ftps?|sftp|ssh)://({_HOST})(?::[0-9]{{1,5}})?(?:[/?#][!-\[\]-~]*)?", re.IGNORECASE)
"""Of schemes that connect to the host they name: `file://`, `javascript://`, `mailto://` and others do something else."""
LONGEST = 4000
"""Characters; a longer text has no hosts."""


@dataclass(frozen=True, slots=True)
class Domain:
    """`example.com` is that host alone; `*.example.com` is every host below it, without the domain itself."""

    name: str

    def contains(self, host: str) -> bool:
        """Whether the host belongs to this domain."""
        name = self.name.lower()
        return host.endswith(name[1:]) if name.startswith("*.") else host == name

    def looks_like(self, host: str) -> bool:
        """Whether a host that does not belong to this domain looks as if it did: `examp1e.com`, or its letters in another script."""
        shown = ".".join(_shown(label) for label in host.split("."))
        return Domain(_looks(self.name.lower())).contains(_looks(shown))


def _looks(name: str) -> str:
    """The skeleton of a host's name, which may be shown in capitals: `i` looks like `l` in those."""
    return skeleton(name).lower().replace("i", "l")


def _shown(label: str) -> str:
    """A part of a host's name as a browser shows it: `xn--…` stands for letters of other scripts."""
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def hosts(text: str) -> tuple[str, ...]:
    """Return every host the text addresses, in lower case; none if any part of the text is ambiguous.

    The text is one URL, or hosts and mail addresses separated by commas or semicolons; an address may be written `Name <address>`.
    """
    if len(text) > LONGEST:
        return ()
    url = _URL.fullmatch(text.strip(" "))
    if url:
        return (url[1].lower(),)
    found = []
    for part in re.split("[,;]", text):
        named = _NAMED.fullmatch(part.strip(" "))
        one = (named[1] if named else part).strip(" ")
        mail = _MAIL.fullmatch(one)
        if mail:
            found.append(mail[1].lower())
        elif not named and re.fullmatch(_HOST, one):
            found.append(one.lower())
        else:
            return ()
    return tuple(found)
