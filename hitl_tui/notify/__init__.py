"""Sends notifications of escalations: on the desktop, through a command, or through an Apprise URL, each in its own process."""

from hitl_tui.notify.channels import RETRY_WAITS_S, DeliveryResult, deliver, next_attempt_at, problems, service_of
from hitl_tui.notify.content import Notification, notification_of, sample_notification

__all__ = [
    "RETRY_WAITS_S", "DeliveryResult", "Notification", "deliver", "next_attempt_at", "notification_of", "problems", "sample_notification",
    "service_of",
]  # fmt: skip
