"""For media servers and chat servers: which bans to enforce on a stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx

from kumanda_client.answers import KumandaError, data
from kumanda_client.api.live_streams import get_live_stream_by_id_revocations_v1 as operation
from kumanda_client.kumanda import Kumanda
from kumanda_client.models import Revocation, Revocations
from kumanda_client.retries import REPEATED_STATUSES, seconds_of
from kumanda_client.types import UNSET

PAUSE = 2.0  # seconds after a call that failed


def revocations(client: Kumanda, stream_id: str, *, since: str | None = None) -> Iterator[Revocations]:
    """Waits for revocations, without an end.

    The first batch has all that hold now, or what is new after the cursor `since`. Keep the last `cursor` to go on
    later. Lost connections and a busy service are waited for. Raises KumandaError for other refusals, such as
    `stream_not_found` and `not_a_service_account`.
    """
    while True:
        try:
            answer = operation.sync_detailed(stream_id, client=client, since=since or UNSET)
            batch = data(answer)
        except (httpx.TransportError, KumandaError) as error:
            time.sleep(_pause_after(error))
            continue
        since = batch.cursor
        if batch.list_:
            yield batch
        time.sleep(seconds_of(answer.headers.get("Retry-After", "")))


async def revocations_async(client: Kumanda, stream_id: str, *, since: str | None = None) -> AsyncIterator[Revocations]:
    """The same for asyncio."""
    while True:
        try:
            answer = await operation.asyncio_detailed(stream_id, client=client, since=since or UNSET)
            batch = data(answer)
        except (httpx.TransportError, KumandaError) as error:
            await asyncio.sleep(_pause_after(error))
            continue
        since = batch.cursor
        if batch.list_:
            yield batch
        await asyncio.sleep(seconds_of(answer.headers.get("Retry-After", "")))


def _pause_after(error: httpx.TransportError | KumandaError) -> float:
    if isinstance(error, KumandaError) and error.status not in REPEATED_STATUSES:
        raise error
    return PAUSE


class Restrictions:
    """Whom bans keep from a stream now, from the batches of `revocations`. Check it at each connect.

    A join token that was signed just before a ban is valid for its lifetime, so a valid token is not enough.
    """

    def __init__(self) -> None:
        self._of: dict[str, Revocation] = {}

    def apply(self, batch: Revocations) -> None:
        for revocation in batch.list_:
            if revocation.action == "LIFTED":
                self._of.pop(revocation.user_id, None)
            else:
                self._of[revocation.user_id] = revocation

    def all(self, *, now: datetime | None = None) -> dict[str, Revocation]:
        """The bans that hold now, by user."""
        now = now or datetime.now(UTC)
        return {user_id: held for user_id in self._of if (held := self.of(user_id, now=now))}

    def of(self, user_id: str, *, now: datetime | None = None) -> Revocation | None:
        """The ban of a user that holds now: its `action` is `BLOCK` or `CHAT_ONLY`, or newer than this client."""
        revocation = self._of.get(user_id)
        if revocation is None or (revocation.until and revocation.until <= (now or datetime.now(UTC))):
            return None
        return revocation
