"""The audience of a stream over HTTP: joining, who watches, and what edges must know of bans."""

from contextlib import suppress
from typing import Any, ClassVar

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.serializers import UserSummarySerializer
from common.api import HTTP_CODES, error_answer
from common.refusals import Refusal
from common.schema import page_of
from common.times import wire_time
from common.views import ApiViewSet
from edges import reads, services
from edges.permissions import NotAServiceAccount
from edges.serializers import (
    JoinedSerializer,
    JoinSerializer,
    RevocationsQuery,
    RevocationsSerializer,
    ViewerCountSerializer,
    ViewersQuery,
)
from edges.waiting import SECONDS_UNTIL_RETRY, awaited_news
from livestreams.models import GuestStatus, LiveStream, Status
from livestreams.reads import seen_stream
from livestreams.services import (
    Banned,
    GuestAnswerTooLate,
    GuestHasDeclined,
    StreamMissing,
    accept_guest,
    refuse_blocked,
)

JWKS_SECONDS = 5  # how long the keys may be kept by caches: see services/join_keys.py


class AudienceViewSet(ApiViewSet):
    """Those who watch a stream, and those who must not."""

    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "join": [StreamMissing, Banned, services.StreamNotActive],
        "viewers": [StreamMissing, Banned],
        "viewer_count": [StreamMissing, Banned],
        "revocations": [NotAServiceAccount, StreamMissing],
    }

    @extend_schema(
        operation_id="joinLiveStreamV1", tags=["Streams"], request=JoinSerializer, responses={200: JoinedSerializer}
    )
    def join(self, request: Request) -> Response:
        """Join an active stream: the token opens the media edge and the chat.

        It is a short JWT (ES256) for the audience `media`, with `sub` (you), `stream`, `role`, `grants` (`watch`, and
        `chat` unless a ban says otherwise) and `jti`. Its keys are at `/.well-known/jwks.json`, so that an edge
        verifies it without asking. Join again before it lapses; a ban is found then at the latest. An invited guest
        accepts by joining; one who has declined joins as audience.
        """
        stream_id = JoinSerializer.validated(request.data)["stream_id"]
        stream, restriction = seen_stream(stream_id, caller=self.user.pk)
        if _accepts_by_joining(stream):
            refuse_blocked(restriction)
            # Who has declined on another device meanwhile, or comes as the stream ends, is answered by the second look.
            with suppress(GuestHasDeclined, GuestAnswerTooLate):
                accept_guest(stream_id, by=self.user, now=timezone.now())
            stream, restriction = seen_stream(stream_id, caller=self.user.pk)
        joined = services.admit(
            self.user,
            stream_id,
            status=stream["status"],
            role=stream["role"],
            restriction=restriction,
            now=timezone.now(),
        )
        return Response(
            {
                "liveStream": stream,
                "token": joined.token,
                "role": stream["role"],
                "expiresAt": wire_time(joined.expires_at),
            }
        )

    @extend_schema(
        operation_id="listViewersByIdV1",
        tags=["Streams"],
        parameters=[ViewersQuery],
        responses={200: page_of(UserSummarySerializer)},
    )
    def viewers(self, request: Request, id: str) -> Response:
        """Who watches: joined within the last two lifetimes of a token, without the broadcasters; newest first."""
        query, now = self.query(ViewersQuery), timezone.now()
        reads.refuse_reader(id, caller=self.user.pk, now=now)
        return reads.VIEWERS.page(query, caller=self.user.pk, stream=id, seen_after=reads.seen_after(now))

    @extend_schema(operation_id="countViewersByIdV1", tags=["Streams"], responses={200: ViewerCountSerializer})
    def viewer_count(self, request: Request, id: str) -> Response:
        """How many watch: joined within the last two lifetimes of a token, without the broadcasters."""
        return Response(reads.viewer_count(id, caller=self.user.pk, now=timezone.now()))

    @extend_schema(
        operation_id="listRevocationsByIdV1",
        tags=["Streams"],
        parameters=[RevocationsQuery],
        responses={200: RevocationsSerializer},
    )
    def revocations(self, request: Request, id: str) -> Response:
        """Who must be kept out, for media edges and chat servers (permission `livestreams.enforce`).

        Without `since`: all that holds now, at most 1,000 people. With it: what came after, each person once with the
        latest, `LIFTED` when nothing restricts them any more. When there is nothing new the call waits up to 25
        seconds and answers as soon as a ban is committed; an empty list then means: ask again. When too many wait
        already it answers at once, with `Retry-After`. A restriction ends by the clock at its `until`, without news.

        Keep the list and look into it at each connect: a token that was signed just before a ban is good for its
        lifetime.
        """
        if not self.user.has_perm("livestreams.enforce"):
            raise NotAServiceAccount
        since = self.query(RevocationsQuery).get("since")
        cursor = services.cursor_for(id, since)
        news = services.news_since(cursor, now=timezone.now())
        headers = {}
        if since is not None and news.cursor == cursor:
            awaited = awaited_news(cursor)
            if awaited is None:
                headers["Retry-After"] = str(SECONDS_UNTIL_RETRY)
            news = awaited or news
        return Response(reads.revocations(news), headers=headers)


def _accepts_by_joining(stream: dict[str, Any]) -> bool:
    """Whether who reads `stream` is its invited guest, and it can be joined."""
    return (stream["status"], stream["role"], stream["guestStatus"]) == (
        Status.ACTIVE,
        LiveStream.Role.GUEST,
        GuestStatus.INVITED,
    )


def jwks(request: HttpRequest) -> HttpResponse:
    """The public keys of join tokens (RFC 7517), bare, since that is how JWT libraries read them."""
    if request.method not in ("GET", "HEAD"):
        return error_answer(request.META, 405, HTTP_CODES[405], headers={"Allow": "GET, HEAD"})
    return HttpResponse(
        orjson.dumps({"keys": services.public_keys(timezone.now())}),
        content_type="application/jwk-set+json",
        headers={"Cache-Control": f"public, max-age={JWKS_SECONDS}"},
    )
