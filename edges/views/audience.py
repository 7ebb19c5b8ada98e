"""The viewers of a stream, its statistics, its revocations and the public keys of join tokens over HTTP."""

from typing import ClassVar

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import HTTP_CODES, error_answer
from common.refusals import Refusal
from common.views import ApiViewSet
from edges import reads, services
from edges.permissions import (
    NotAServiceAccount,
    NotMemberOrModerator,
    refuse_unless_broadcaster_or_moderator,
    refuse_unless_service_account,
)
from edges.serializers import (
    RevocationsQuery,
    RevocationsSerializer,
    StatisticsSerializer,
    ViewerCountSerializer,
    ViewersPageSerializer,
    ViewersQuery,
)
from edges.waiting import SECONDS_UNTIL_RETRY, polled_revocations
from livestreams.services import Banned, StreamMissing

JWKS_SECONDS = 5  # how long caches may keep the keys: see edges/services/join_keys.py


class AudienceViewSet(ApiViewSet):
    """The viewers of a stream, its statistics and its revocations."""

    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "viewers": [StreamMissing, Banned],
        "viewer_count": [StreamMissing, Banned],
        "statistics": [StreamMissing, Banned, NotMemberOrModerator],
        "revocations": [NotAServiceAccount, StreamMissing],
    }

    @extend_schema(
        operation_id="getLiveStreamByIdViewersV1",
        summary="List viewers of a live stream",
        tags=["Live Streams"],
        parameters=[ViewersQuery],
        responses={200: ViewersPageSerializer},
    )
    def viewers(self, request: Request, id: str) -> Response:
        """The viewers, in descending order of their first join.

        A viewer has joined within the last two token lifetimes, has not left, and is no broadcaster.
        """
        return reads.viewers(id, self.query(ViewersQuery), caller=self.user.pk, now=timezone.now())

    @extend_schema(
        operation_id="getLiveStreamByIdViewerCountV1",
        summary="Get the viewer count of a live stream",
        tags=["Live Streams"],
        responses={200: ViewerCountSerializer},
    )
    def viewer_count(self, request: Request, id: str) -> Response:
        """The number of viewers, who have joined within the last two token lifetimes and are no broadcasters.

        Who has left is not counted. Above 1,000 it may be five seconds old.
        """
        return Response(reads.viewer_count(id, caller=self.user.pk, now=timezone.now()))

    @extend_schema(
        operation_id="getLiveStreamByIdStatisticsV1",
        summary="Get statistics of a live stream",
        tags=["Live Streams"],
        responses={200: StatisticsSerializer},
    )
    def statistics(self, request: Request, id: str) -> Response:
        """How many watched the stream and for how long, for its creator, its guest and moderators.

        Unique viewers, watch time, reminders and bans are exact up to 1,000 viewers, reminders or bans. Above, they are
        those that workers counted last: a minute old while the stream is active, or ten times as old as counting takes
        in a big installation. Some minutes after the end they are final, and `isFinal` is true.

        The watch time is counted from join to join and to leaving. A gap of more than two token lifetimes is not
        counted. Who is there at the end has watched until then.

        `viewersOverTime` has a point a minute, from the start to the end or until now: the number at the beginning of
        the minute. It has at most 1,500 points, so a stream of 24 hours has one for each minute. For a longer one, the
        points are as many minutes apart as that needs (`secondsPerPoint`), and each is the largest number in its
        minutes. After 30 days no points are added. Points are kept as long as the other records of a stream. The peak
        is counted every five seconds, so it may be larger than each of the points.
        """
        now = timezone.now()
        refuse_unless_broadcaster_or_moderator(self.user, reads.broadcasters(id, caller=self.user.pk, now=now))
        return Response(reads.statistics_of(id, now=now))

    @extend_schema(
        operation_id="getLiveStreamByIdRevocationsV1",
        summary="List ban changes of a live stream for media servers",
        tags=["Live Streams"],
        parameters=[RevocationsQuery],
        responses={200: RevocationsSerializer},
    )
    def revocations(self, request: Request, id: str) -> Response:
        """The bans to enforce, for media edges and chat servers (permission `livestreams.enforce`).

        Without `since`: all bans that hold now, of at most 1,000 users. With it: what is new since then, each user once
        with the latest action, `LIFTED` if nothing restricts them any more. When there is nothing new, the call waits
        up to 25 seconds and answers as soon as a ban is committed; after an empty list, call again. When too many calls
        wait already, it answers at once, with `Retry-After`. A ban ends at its `until`, without a new entry.

        Keep the list and check it at each connect: a token that was signed just before a ban is valid for its
        lifetime.
        """
        refuse_unless_service_account(self.user)
        since = self.query(RevocationsQuery).get("since")
        page, could_wait = polled_revocations(services.cursor_for(id, since), waits=since is not None)
        headers = {} if could_wait else {"Retry-After": str(SECONDS_UNTIL_RETRY)}
        return Response(reads.revocations(page), headers=headers)


def jwks(request: HttpRequest) -> HttpResponse:
    """The public keys of join tokens (RFC 7517), without the envelope, because JWT libraries read a plain JWK Set."""
    if request.method not in ("GET", "HEAD"):
        return error_answer(request.META, 405, HTTP_CODES[405], headers={"Allow": "GET, HEAD"})
    return HttpResponse(
        orjson.dumps({"keys": services.public_keys(timezone.now())}),
        content_type="application/jwk-set+json",
        headers={"Cache-Control": f"public, max-age={JWKS_SECONDS}"},
    )
