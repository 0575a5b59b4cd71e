"""Prints, warns, logs, reads and starts a thread that never ends, all while it is imported."""

import logging
import subprocess
import sys
import threading
import time
import warnings

from kinds import graph_by

sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
print("hello from the import")
sys.stdout.buffer.write(b"bytes\n")
warnings.warn("old", DeprecationWarning, stacklevel=1)
logging.warning("a warning")
subprocess.run(["true"], check=True)
threading.Thread(target=lambda: time.sleep(10_000)).start()
try:
    input("name? ")
except EOFError:
    graph = graph_by("noisy").compile()
