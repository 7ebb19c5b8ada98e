"""The client of Kumanda. The operations are in `kumanda_client.api`, their types in `kumanda_client.models`."""

from kumanda_client.answers import KumandaError, data, text
from kumanda_client.join_tokens import JoinClaims, JoinTokenInvalid, JoinTokens
from kumanda_client.kumanda import Kumanda
from kumanda_client.paging import items, items_async
from kumanda_client.retries import Retries
from kumanda_client.revocations import Restrictions, revocations, revocations_async
from kumanda_client.session import Session, Tokens
from kumanda_client.webhooks import Notice, Webhooks, WebhookVerificationError

__all__ = [
    "JoinClaims",
    "JoinTokenInvalid",
    "JoinTokens",
    "Kumanda",
    "KumandaError",
    "Notice",
    "Restrictions",
    "Retries",
    "Session",
    "Tokens",
    "WebhookVerificationError",
    "Webhooks",
    "data",
    "items",
    "items_async",
    "revocations",
    "revocations_async",
    "text",
]
