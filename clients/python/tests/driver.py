"""Lets a test use the client by lines of JSON: {"do": "me"} is answered with {"result": […]} or {"error": {…}}.

With the argument `asyncio` the operations are called as coroutines, else in threads.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import islice
from typing import Any

import httpx

from kumanda_client import (
    JoinTokenInvalid,
    JoinTokens,
    Kumanda,
    KumandaError,
    Restrictions,
    Retries,
    Session,
    Tokens,
    Webhooks,
    WebhookVerificationError,
    data,
    items,
    items_async,
    revocations,
    revocations_async,
)
from kumanda_client.api.accounts import get_users_me_v1
from kumanda_client.api.live_streams import (
    create_live_stream_v1,
    list_live_stream_v1,
    set_live_stream_by_id_thumbnail_v1,
)
from kumanda_client.models import CreateLiveStreamRequest, SetLiveStreamThumbnailRequest
from kumanda_client.types import UNSET, File


class Driver:
    """The methods that a test may call, in threads. `AsyncDriver` replaces those that call the service."""

    client: Kumanda
    join_tokens: JoinTokens
    changes: list[dict[str, str] | None]

    def new(self, url: str, tokens: dict[str, str] | None = None, timeout: float = 30.0, **policy: Any) -> None:
        self.changes = []
        pair = Tokens(tokens["accessToken"], tokens["refreshToken"]) if tokens else None
        session = Session(url, pair, lambda changed: self.changes.append(shown(changed)))
        retries = Retries(**policy)
        self.client = Kumanda(url, session=session, retries=retries, timeout=httpx.Timeout(timeout))

    def tokens(self) -> dict[str, Any]:
        return {"now": shown(self.client.session.tokens), "changes": self.changes}

    def log_in(self, username: str, password: str) -> Any:
        return self.client.log_in(username, password).username

    def log_out(self) -> Any:
        self.client.log_out()

    def me(self, times: int = 1) -> Any:
        with ThreadPoolExecutor(times) as threads:
            read = [threads.submit(get_users_me_v1.sync_detailed, client=self.client) for _ in range(times)]
            return [data(each.result()).username for each in read]

    def create(self, title: str, key: str | None = None) -> Any:
        body = CreateLiveStreamRequest(title=title)
        answer = create_live_stream_v1.sync_detailed(client=self.client, body=body, idempotency_key=key or UNSET)
        return data(answer).id

    def picture(self, stream: str, content: str) -> Any:
        body = form_of(content)
        return data(
            set_live_stream_by_id_thumbnail_v1.sync_detailed(stream, client=self.client, body=body)
        ).thumbnail_url

    def list_streams(self, limit: int) -> Any:
        return [stream.id for stream in items(list_live_stream_v1.sync_detailed, client=self.client, limit=limit)]

    def revocations(self, stream: str, batches: int, since: str | None = None) -> Any:
        restrictions, cursor = Restrictions(), since
        for batch in islice(revocations(self.client, stream, since=since), batches):
            restrictions.apply(batch)
            cursor = batch.cursor
        return restricted(restrictions, cursor)

    def new_join_tokens(self, issuer: str, keys_url: str, fetch_pause: float = 5.0) -> None:
        self.join_tokens = JoinTokens(issuer, keys_url=keys_url, fetch_pause=fetch_pause)

    def join_token(self, token: str, stream: str | None = None) -> Any:
        claims = self.join_tokens.verify(token, stream_id=stream)
        return [claims.user_id, claims.stream_id, claims.role, sorted(claims.grants), claims.expires_at.timestamp()]

    def webhook(self, secrets: list[str], body: str, headers: dict[str, str]) -> Any:
        notice = Webhooks(*secrets).verify(body, headers)
        data = notice.batch.data
        recipients = [recipient.to_dict() for recipient in data.recipients]
        return [notice.id, notice.batch.type_, data.stream_id, data.kind, data.texts.to_dict(), recipients]


class AsyncDriver(Driver):
    async def log_in(self, username: str, password: str) -> Any:
        return (await self.client.log_in_async(username, password)).username

    async def log_out(self) -> Any:
        await self.client.log_out_async()

    async def me(self, times: int = 1) -> Any:
        read = await asyncio.gather(*(get_users_me_v1.asyncio_detailed(client=self.client) for _ in range(times)))
        return [data(each).username for each in read]

    async def create(self, title: str, key: str | None = None) -> Any:
        body = CreateLiveStreamRequest(title=title)
        call = create_live_stream_v1.asyncio_detailed(client=self.client, body=body, idempotency_key=key or UNSET)
        return data(await call).id

    async def picture(self, stream: str, content: str) -> Any:
        call = set_live_stream_by_id_thumbnail_v1.asyncio_detailed(stream, client=self.client, body=form_of(content))
        return data(await call).thumbnail_url

    async def list_streams(self, limit: int) -> Any:
        listed = items_async(list_live_stream_v1.asyncio_detailed, client=self.client, limit=limit)
        return [stream.id async for stream in listed]

    async def revocations(self, stream: str, batches: int, since: str | None = None) -> Any:
        restrictions, cursor = Restrictions(), since
        async for batch in revocations_async(self.client, stream, since=since):
            restrictions.apply(batch)
            cursor = batch.cursor
            batches -= 1
            if batches == 0:
                break
        return restricted(restrictions, cursor)


def form_of(content: str) -> SetLiveStreamThumbnailRequest:
    picture = File(BytesIO(base64.b64decode(content)), "picture.png", "image/png")
    return SetLiveStreamThumbnailRequest(thumbnail=picture)


def shown(tokens: Tokens | None) -> dict[str, str] | None:
    if tokens is None:
        return None
    return {"accessToken": tokens.access_token, "refreshToken": tokens.refresh_token}


def restricted(restrictions: Restrictions, cursor: str | None) -> dict[str, Any]:
    return {"cursor": cursor, "actions": {user: held.action for user, held in restrictions.all().items()}}


async def answer_to(method: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        result = method(**arguments)
        return {"result": await result if isinstance(result, Awaitable) else result}
    except KumandaError as error:
        return {"error": {"status": error.status, "code": error.code, "errors": error.errors}}
    except httpx.TransportError:
        return {"error": {"code": "no answer"}}
    except (JoinTokenInvalid, WebhookVerificationError) as error:
        return {"error": {"code": type(error).__name__}}


async def main() -> None:
    driver = AsyncDriver() if "asyncio" in sys.argv else Driver()
    for line in sys.stdin:
        arguments = json.loads(line)
        answer = await answer_to(getattr(driver, arguments.pop("do")), arguments)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
