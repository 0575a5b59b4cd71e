"""Telling people of an escalation: on the desktop, by a command of theirs, or by any Apprise URL, always in a process of its own."""

from hitl_tui.notify.channels import TRIES_AGAIN_S, Outcome, again_at, deliver, problems, service_of
from hitl_tui.notify.content import Message, message_of, trial_message

__all__ = ["TRIES_AGAIN_S", "Message", "Outcome", "again_at", "deliver", "message_of", "problems", "service_of", "trial_message"]
