"""Notifies people of escalations: on the desktop, through a command, or through an Apprise URL, each in its own process."""

from hitl_tui.notify.channels import RETRY_WAITS_S, Outcome, deliver, next_attempt_at, problems, service_of
from hitl_tui.notify.content import Message, message_of, trial_message

__all__ = ["RETRY_WAITS_S", "Message", "Outcome", "deliver", "message_of", "next_attempt_at", "problems", "service_of", "trial_message"]
