"""The clients verify calls that the webhook of the service has really made."""

from typing import Any

import pytest

from reminders.channels import webhook
from tests.clients.driving import Driver, Refused
from tests.reminders.receiver import Call, answering, receiving
from tests.reminders.sending import NEW_SECRET, SECRET
from tests.reminders.test_webhook import BATCH


@pytest.fixture
def call(settings: Any) -> Call:
    settings.WEBHOOK_SECRETS = [SECRET]
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with receiving(answering(204)) as gateway:
        settings.WEBHOOK_URL = gateway.url
        webhook.WebhookChannel().send(BATCH)
    return gateway.only_call


def verified(client: Driver, call: Call, *secrets: str, **headers: str) -> Any:
    given = dict(call.headers.items()) | {name.replace("_", "-"): value for name, value in headers.items()}
    return client.do("webhook", secrets=secrets, body=call.body.decode(), headers=given)


def test_a_call_of_the_webhook_is_read(client: Driver, call: Call) -> None:
    data = call.json["data"]
    expected = [BATCH.key, "reminder.due", BATCH.stream_id, "reminder", data["texts"], data["recipients"]]
    assert verified(client, call, SECRET) == expected


def test_while_a_secret_is_replaced_either_may_have_signed(client: Driver, call: Call) -> None:
    assert verified(client, call, NEW_SECRET, SECRET)[0] == BATCH.key
    assert verified(client, call, SECRET, NEW_SECRET)[0] == BATCH.key


def test_a_call_that_others_signed_is_refused(client: Driver, call: Call) -> None:
    with pytest.raises(Refused, match="WebhookVerificationError"):
        verified(client, call, NEW_SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook_id": "0" * 24},
        {"webhook_timestamp": "1600000000"},
        {"webhook_signature": ""},
        {"webhook_signature": "none"},
        {"webhook_signature": "v1,x"},
    ],
)
def test_a_call_with_other_headers_is_refused(client: Driver, call: Call, headers: dict[str, str]) -> None:
    with pytest.raises(Refused, match="WebhookVerificationError"):
        verified(client, call, SECRET, **headers)
