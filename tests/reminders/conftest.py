from typing import Any

import pytest

from tests.reminders.sending import SECRET
from tests.servers import free_port


@pytest.fixture
def webhook_channel(settings: Any) -> None:
    """The webhook is the only channel, and its receiver is down."""
    settings.NOTIFICATION_CHANNELS = {"webhook": "reminders.channels.webhook.WebhookChannel"}
    settings.WEBHOOK_SECRETS = [SECRET]
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.WEBHOOK_URL = f"http://127.0.0.1:{free_port()}/"
