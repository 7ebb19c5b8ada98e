"""The viewers of a stream, its revocations and the public keys of join tokens over HTTP."""

from typing import ClassVar

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
    RevocationsQuery,
    RevocationsSerializer,
    ViewerCountSerializer,
    ViewersQuery,
)
from edges.waiting import SECONDS_UNTIL_RETRY, polled_revocations
from livestreams.services import Banned, StreamMissing

JWKS_SECONDS = 5  # how long caches may keep the keys: see edges/services/join_keys.py


class AudienceViewSet(ApiViewSet):
    """The viewers of a stream and its revocations."""

    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "viewers": [StreamMissing, Banned],
        "viewer_count": [StreamMissing, Banned],
        "revocations": [NotAServiceAccount, StreamMissing],
    }

    @extend_schema(
        operation_id="getLiveStreamByIdViewersV1",
        summary="List viewers of a live stream",
        tags=["Live Streams"],
        parameters=[ViewersQuery],
        responses={200: page_of(UserSummarySerializer)},
    )
    def viewers(self, request: Request, id: str) -> Response:
        """The viewers, in descending order of their first join.

        A viewer has joined within the last two token lifetimes and is no broadcaster.
        """
        query, now = self.query(ViewersQuery), timezone.now()
        reads.refuse_unless_readable(id, caller=self.user.pk, now=now)
        return reads.viewers(id, query, caller=self.user.pk, now=now)

    @extend_schema(
        operation_id="getLiveStreamByIdViewerCountV1",
        summary="Get the viewer count of a live stream",
        tags=["Live Streams"],
        responses={200: ViewerCountSerializer},
    )
    def viewer_count(self, request: Request, id: str) -> Response:
        """The number of viewers, who have joined within the last two token lifetimes and are no broadcasters.

        Above 1,000 it may be five seconds old.
        """
        return Response(reads.viewer_count(id, caller=self.user.pk, now=timezone.now()))

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
