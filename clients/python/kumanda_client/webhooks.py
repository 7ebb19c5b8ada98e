"""For push gateways: verify the calls of the webhook."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict

from standardwebhooks import Webhook, WebhookVerificationError

__all__ = ["Notice", "NoticeData", "WebhookVerificationError", "Webhooks"]


class Device(TypedDict):
    platform: str
    token: str


class Recipient(TypedDict):
    userId: str
    language: str
    devices: list[Device]


class Texts(TypedDict):
    title: str
    message: str


class NoticeData(TypedDict):
    """`plannedStartDate` is null if the stream had none. `texts` has one entry for each language."""

    streamId: str
    kind: Literal["reminder", "live", "cancelled"]
    plannedStartDate: str | None
    texts: dict[str, Texts]
    recipients: list[Recipient]


@dataclass(frozen=True)
class Notice:
    """A batch of notifications. `id` is equal for each repeat: discard a batch that was processed before."""

    id: str
    type: str
    timestamp: datetime
    data: NoticeData


class Webhooks:
    """Verifies calls with the secrets `whsec_…`: two while one is replaced. Any of them may have signed."""

    def __init__(self, *secrets: str) -> None:
        if not secrets:
            raise ValueError("at least one secret is needed")
        self._webhooks = [Webhook(secret) for secret in secrets]

    def verify(self, body: bytes | str, headers: Mapping[str, str]) -> Notice:
        """The notice in a call. `body` as it was received.

        Raises WebhookVerificationError for a wrong signature, and for a time that is more than five minutes off.
        """
        given = {name.lower(): value for name, value in headers.items()}
        read = self._verified(body, given)
        return Notice(given["webhook-id"], read["type"], datetime.fromisoformat(read["timestamp"]), read["data"])

    def _verified(self, body: bytes | str, headers: dict[str, str]) -> Any:
        for webhook in self._webhooks[:-1]:
            try:
                return webhook.verify(body, headers)
            except WebhookVerificationError:
                continue
        return self._webhooks[-1].verify(body, headers)
