"""The child process that sends one message with Apprise. Reads `{"url", "title", "body", "timeout_s"}` as JSON from standard input.

So the address is in no process list, and a service that hangs ends with the process: an alarm kills it. The alarm starts after Apprise is
imported, which alone takes seconds on a busy machine. Errors go to standard error; the reader removes secrets from them.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys

from hitl_tui.notify.channels import NO_SERVICE, NOT_INSTALLED


def main() -> int:
    """Send the message; 0 if that worked."""
    given = json.load(sys.stdin)
    try:
        import apprise
    except ImportError:
        return NOT_INSTALLED
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    logging.captureWarnings(True)
    service = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
    if not service.add(given["url"]):
        return NO_SERVICE
    signal.setitimer(signal.ITIMER_REAL, given["timeout_s"])
    return 0 if service.notify(body=given["body"], title=given["title"], body_format=apprise.NotifyFormat.TEXT) else 1


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # the result is known: cleanup at exit must not turn it into a failure
