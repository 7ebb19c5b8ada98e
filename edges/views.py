"""Joining a stream, its viewers, its revocations and the public keys of join tokens over HTTP."""

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
from common.views import ApiViewSet
from edges import reads, services
from edges.permissions import NotAServiceAccount, refuse_unless_service_account
from edges.serializers import (
    JoinedSerializer,
    JoinSerializer,
    RevocationsQuery,
    RevocationsSerializer,
    ViewerCountSerializer,
    ViewersQuery,
)
from edges.waiting import SECONDS_UNTIL_RETRY, followed_news
from livestreams.models import GuestStatus, LiveStream, Status
from livestreams.reads import stream_and_restriction
from livestreams.services import (
    Banned,
    GuestAnswerTooLate,
    GuestHasDeclined,
    Restriction,
    StreamMissing,
    accept_guest,
    refuse_blocked,
)

JWKS_SECONDS = 5  # how long caches may keep the keys: see edges/services/join_keys.py


class AudienceViewSet(ApiViewSet):
    """Joining a stream, its viewers and its revocations."""

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
        stream, restriction = self.stream_to_join(stream_id)
        known = {"status": stream["status"], "role": stream["role"], "restriction": restriction}
        token = services.admit(self.user, stream_id, **known, now=timezone.now())
        return Response(reads.joined(stream, token))

    @extend_schema(
        operation_id="listViewersByIdV1",
        tags=["Streams"],
        parameters=[ViewersQuery],
        responses={200: page_of(UserSummarySerializer)},
    )
    def viewers(self, request: Request, id: str) -> Response:
        """Who watches: joined within the last two lifetimes of a token, without the broadcasters; newest first."""
        query, now = self.query(ViewersQuery), timezone.now()
        reads.refuse_unless_readable(id, caller=self.user.pk, now=now)
        return reads.viewers(id, query, caller=self.user.pk, now=now)

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
        refuse_unless_service_account(self.user)
        since = self.query(RevocationsQuery).get("since")
        news, had_room = followed_news(services.cursor_for(id, since), waits=since is not None)
        headers = {} if had_room else {"Retry-After": str(SECONDS_UNTIL_RETRY)}
        return Response(reads.revocations(news), headers=headers)

    # --- shared ---------------------------------------------------------------------------------------

    def stream_to_join(self, stream_id: str) -> tuple[dict[str, Any], Restriction | None]:
        """The stream and what restricts the caller on it, after an invited guest has accepted by joining."""
        stream, restriction = stream_and_restriction(stream_id, caller=self.user.pk)
        if not _accepts_by_joining(stream):
            return stream, restriction
        refuse_blocked(restriction)
        # The guest may decline on another device, or the stream end, between the read and the lock. Then the second
        # read shows it.
        with suppress(GuestHasDeclined, GuestAnswerTooLate):
            accept_guest(stream_id, by=self.user, now=timezone.now())
        return stream_and_restriction(stream_id, caller=self.user.pk)


def _accepts_by_joining(stream: dict[str, Any]) -> bool:
    """Whether the caller for whom `stream` is written is its invited guest, and the stream is active."""
    return (stream["status"], stream["role"], stream["guestStatus"]) == (
        Status.ACTIVE,
        LiveStream.Role.GUEST,
        GuestStatus.INVITED,
    )


def jwks(request: HttpRequest) -> HttpResponse:
    """The public keys of join tokens (RFC 7517), without the envelope, because JWT libraries read a plain JWK Set."""
    if request.method not in ("GET", "HEAD"):
        return error_answer(request.META, 405, HTTP_CODES[405], headers={"Allow": "GET, HEAD"})
    return HttpResponse(
        orjson.dumps({"keys": services.public_keys(timezone.now())}),
        content_type="application/jwk-set+json",
        headers={"Cache-Control": f"public, max-age={JWKS_SECONDS}"},
    )
