"""The child process that hands one message to Apprise: `{"url", "title", "body", "timeout_s"}` as JSON on its standard input.

The address is in nobody's list of processes, and a service that hangs is ended with the process: by an alarm, which begins once Apprise is
loaded, for that alone takes seconds on a busy machine. What went wrong is said on its standard error; who reads that takes the secrets out.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys

from hitl_tui.notify.channels import NO_SERVICE, NOT_INSTALLED


def main() -> int:
    """Send it; 0 when it was sent."""
    given = json.load(sys.stdin)
    try:
        import apprise
    except ImportError:
        return NOT_INSTALLED
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    logging.captureWarnings(True)
    told = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
    if not told.add(given["url"]):
        return NO_SERVICE
    signal.setitimer(signal.ITIMER_REAL, given["timeout_s"])
    return 0 if told.notify(body=given["body"], title=given["title"], body_format=apprise.NotifyFormat.TEXT) else 1


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # it is sent, or is not: nothing that is tidied up after may still let it look like a failure
