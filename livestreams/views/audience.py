"""The audience of a stream over HTTP: joining, who watches, and what edges must know of bans."""

from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar, cast

import orjson
from django.conf import settings
from django.db import models
from django.db.models import F, Func, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.serializers import UserSummarySerializer
from common.api import HTTP_CODES, error_answer
from common.fields import ObjectIdField
from common.pagination import Listing, Shape
from common.queries import Param, Question
from common.refusals import Refusal
from common.schema import page_of
from common.times import optional_wire_time, wire_time
from common.views import ApiViewSet
from livestreams import services
from livestreams.models import GuestStatus, LiveStream, Participant, Status
from livestreams.permissions import NotAServiceAccount
from livestreams.serializers import (
    JoinedSerializer,
    JoinSerializer,
    RevocationsQuery,
    RevocationsSerializer,
    ViewerCountSerializer,
    ViewersQuery,
)
from livestreams.services import StreamMissing
from livestreams.views.streams import seen_stream
from livestreams.waiting import SECONDS_UNTIL_RETRY, awaited_news

JWKS_SECONDS = 5  # how long the keys may be kept by caches: see services/join_keys.py

ID = ObjectIdField()
TIME = models.DateTimeField()
_RESTRICTION: dict[str, Any] = {"stream": OuterRef("pk"), "user": Param("caller", ID), "now": Param("now", TIME)}


def _at_the_door() -> models.QuerySet[Any]:
    streams = LiveStream.objects.filter(pk=Param("id", ID))
    return streams.values_list("pk", services.audience_restriction(**_RESTRICTION))


def _counted() -> models.QuerySet[Any]:
    present = Participant.objects.audience(stream=OuterRef("pk"), seen_after=Param("seen_after", TIME))
    count = Func(F("pk"), function="COUNT", output_field=models.BigIntegerField())
    streams = LiveStream.objects.filter(pk=Param("id", ID))
    restriction = services.audience_restriction(**_RESTRICTION)
    return streams.values_list(Subquery(present.order_by().values_list(count)), restriction)


AT_THE_DOOR = Question(_at_the_door)
COUNT = Question(_counted)


class _Viewers(Listing):
    """Users in the order of their first join; joining again, as all do every minute, moves nobody to another page."""

    def __init__(self) -> None:
        super().__init__(
            "viewers",
            UserSummarySerializer,
            self._present,
            values={"stream": ID, "seen_after": TIME, "search": models.TextField()},
            orders={"joined": lambda descending: F("participations__first_seen_at")},
        )

    @staticmethod
    def _present(*, stream: Any, seen_after: Any, search: Any = None) -> models.QuerySet[User]:
        present = Participant.objects.audience(stream=stream, seen_after=seen_after)
        users = User.objects.filter(participations__in=present)
        if search is None:
            return users
        return users.filter(names_folded__contains=search)

    def _all(self, shape: Shape) -> models.QuerySet[Any]:
        # Who left meanwhile still marks a place in the order.
        return User.objects.filter(participations__stream=Param("stream", ID))

    def _build_anchor(self, shape: Shape) -> models.QuerySet[Any]:
        return User.objects.filter(pk=Param("after", ID)).values_list("pk")


VIEWERS = _Viewers()


def _seen_after(now: datetime) -> datetime:
    """Who was seen after this watches: a token is renewed within its lifetime, and now and then that fails once."""
    return now - 2 * settings.JOIN_TOKEN_LIFETIME


class AudienceViewSet(ApiViewSet):
    """Those who watch a stream, and those who must not."""

    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "join": [StreamMissing, services.Banned, services.StreamNotActive],
        "viewers": [StreamMissing, services.Banned],
        "viewer_count": [StreamMissing, services.Banned],
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
            services.refuse_blocked(restriction)
            # Who has declined on another device meanwhile, or comes as the stream ends, is answered by the second look.
            with suppress(services.GuestHasDeclined, services.GuestAnswerTooLate):
                services.accept_guest(stream_id, by=self.user, now=timezone.now())
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
        rows = AT_THE_DOOR.rows(id=id, caller=self.user.pk, now=now)
        if not rows:
            raise StreamMissing
        services.refuse_blocked(rows[0][1])
        return VIEWERS.page(query, caller=self.user.pk, stream=id, seen_after=_seen_after(now))

    @extend_schema(operation_id="countViewersByIdV1", tags=["Streams"], responses={200: ViewerCountSerializer})
    def viewer_count(self, request: Request, id: str) -> Response:
        """How many watch: joined within the last two lifetimes of a token, without the broadcasters."""
        now = timezone.now()
        rows = COUNT.rows(id=id, caller=self.user.pk, now=now, seen_after=_seen_after(now))
        if not rows:
            raise StreamMissing
        count, restriction = rows[0]
        services.refuse_blocked(restriction)
        return Response({"streamId": id, "viewerCount": count})

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
        return Response(_written(news), headers=headers)

    @property
    def user(self) -> User:
        return cast("User", self.request.user)


def _accepts_by_joining(stream: dict[str, Any]) -> bool:
    """Whether who reads `stream` is its invited guest, and it can be joined."""
    return (stream["status"], stream["role"], stream["guestStatus"]) == (
        Status.ACTIVE,
        LiveStream.Role.GUEST,
        GuestStatus.INVITED,
    )


def _written(news: services.News) -> dict[str, Any]:
    return {
        "list": [
            {"userId": user_id, "action": action, "until": optional_wire_time(until), "at": wire_time(at)}
            for user_id, action, until, at in news.people
        ],
        "cursor": str(news.cursor),
    }


def jwks(request: HttpRequest) -> HttpResponse:
    """The public keys of join tokens (RFC 7517), bare, since that is how JWT libraries read them."""
    if request.method not in ("GET", "HEAD"):
        return error_answer(request.META, 405, HTTP_CODES[405], headers={"Allow": "GET, HEAD"})
    return HttpResponse(
        orjson.dumps({"keys": services.public_keys(timezone.now())}),
        content_type="application/jwk-set+json",
        headers={"Cache-Control": f"public, max-age={JWKS_SECONDS}"},
    )
