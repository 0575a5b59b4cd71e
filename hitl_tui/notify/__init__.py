"""Sends notifications: on the desktop, through a command, or through an Apprise URL, each in its own process."""

from hitl_tui.notify.channels import RETRY_WAITS_S, DeliveryResult, deliver, next_attempt_at, problems, service_of
from hitl_tui.notify.content import NotificationMessage, message_of, message_of_hand_back, sample_notification

__all__ = [
    "RETRY_WAITS_S",
    "DeliveryResult",
    "NotificationMessage",
    "deliver",
    "message_of",
    "message_of_hand_back",
    "next_attempt_at",
    "problems",
    "sample_notification",
    "service_of",
]  # fmt: skip
