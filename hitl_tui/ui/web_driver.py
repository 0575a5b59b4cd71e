"""Reads a browser's connection before Textual does: textual-serve sends what is typed in packets, among others about the page.

Uses private names of Textual's driver, since there is no public hook between its bytes and its events. They are not in
`runtime/textual_internals.py`, because that is imported before the first frame and this only in a browser.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

from textual.drivers._byte_stream import ByteStream
from textual.drivers.web_driver import WebDriver, _ExitInput
from textual.message import Message

from hitl_tui.ui.input_filter import InputFilter, arrival, leave, patience
from hitl_tui.ui.runtime.cell_widths import PlacedOutput


class FilteredWebDriver(PlacedOutput, WebDriver):
    """Textual's driver for browsers, reading through an `InputFilter`, and writing so that no character shifts another."""

    def start_application_mode(self) -> None:
        super().start_application_mode()
        self.write("\x1b[?7l")  # what is wider than the row ends with it, as in a terminal

    def run_input_thread(self) -> None:
        """Read until the browser leaves."""
        input_filter, packets = InputFilter(), ByteStream()
        try:
            with contextlib.suppress(_ExitInput), contextlib.closing(self._input_reader):
                for data in self._input_reader:
                    deadline = input_filter.deadline
                    for kind, payload in packets.feed(data) if data else ():
                        if kind == "D":
                            self._process(input_filter.feed(payload, arrival(deadline)))
                        else:
                            self._on_meta(kind, payload)
                    if not data:
                        self._process(input_filter.expire(time.monotonic()))
                    self._input_reader.timeout = patience(input_filter.deadline)
        finally:
            if not self.exit_event.is_set():
                leave(self)

    def _process(self, found: Iterable[Message]) -> None:
        for message in found:
            self.process_message(message)
