"""For push gateways: verify the calls of the webhook."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from kumanda_client.models import NotificationBatch

__all__ = ["Notice", "WebhookVerificationError", "Webhooks"]


@dataclass(frozen=True)
class Notice:
    """`id` is equal for each repeat of a call: discard a batch that was processed before."""

    id: str
    batch: NotificationBatch


class Webhooks:
    """Verifies calls with the secrets `whsec_…`: two while one is replaced. Any of them may have signed."""

    def __init__(self, *secrets: str) -> None:
        if not secrets:
            raise ValueError("at least one secret is needed")
        self._webhooks = [Webhook(secret) for secret in secrets]

    def verify(self, body: bytes | str, headers: Mapping[str, str]) -> Notice:
        """The notice in a call. `body` as it was received.

        Raises WebhookVerificationError for a wrong or malformed signature, for a body that is not JSON, and for a time
        that is more than five minutes off.
        """
        given = {name.lower(): value for name, value in headers.items()}
        try:
            data = self._verified(body, given)
        except ValueError as error:  # what the library raises for a signature or body that it cannot decode
            raise WebhookVerificationError("malformed") from error
        batch = NotificationBatch.from_dict(data)
        return Notice(given["webhook-id"], batch)

    def _verified(self, body: bytes | str, headers: dict[str, str]) -> Any:
        for webhook in self._webhooks[:-1]:
            try:
                return webhook.verify(body, headers)
            except WebhookVerificationError:
                continue
        return self._webhooks[-1].verify(body, headers)
