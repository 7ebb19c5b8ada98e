"""Single bans over HTTP."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.services import UserMissing
from bans import reads, services
from bans.permissions import (
    NotAModerator,
    NotConcerned,
    moderates,
    refuse_unless_concerned,
    refuse_unless_creator_or_moderator,
)
from bans.serializers import (
    BanSerializer,
    ChangeBanSerializer,
    CheckBanQuery,
    CheckSerializer,
    CreateBanSerializer,
    ListBansQuery,
)
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet
from livestreams.services import StreamMissing


class LiveStreamBanViewSet(ApiViewSet):
    """Single bans."""

    serializer_class = BanSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "create": [
            StreamMissing,
            UserMissing,
            NotAModerator,
            *services.PROTECTED,
            services.StreamOver,
            services.AlreadyBanned,
        ],
        "retrieve": [services.BanMissing, NotConcerned],
        "partial_update": [services.BanMissing, NotAModerator, services.BanLifted, services.BanLapsed],
        "destroy": [services.BanMissing, NotAModerator, services.BanLifted],
        "check": [StreamMissing, NotConcerned],
    }

    def lock_object(self, **ids: str) -> None:
        services.locked_ban(ids["id"])

    @extend_schema(
        operation_id="createLiveStreamBanV1",
        summary="Ban a user from a live stream",
        tags=["Live Stream Bans"],
        request=CreateBanSerializer,
        responses={201: BanSerializer},
    )
    def create(self, request: Request) -> Response:
        """Ban a person from a stream: `BLOCK` from watching it, `CHAT_ONLY` from writing in it."""
        stream_id = CreateBanSerializer.validated_field(request.data, "liveStreamId")
        refuse_unless_creator_or_moderator(self.user, services.creator_of_stream(stream_id))
        values = CreateBanSerializer.validated(request.data)
        ban = services.ban_user(**values, by=self.user, now=timezone.now())
        return Response(reads.any_ban(ban.pk), status=201)

    @extend_schema(
        operation_id="listLiveStreamBanV1",
        summary="List active bans",
        tags=["Live Stream Bans"],
        parameters=[ListBansQuery],
        responses={200: page_of(BanSerializer)},
    )
    def list(self, request: Request) -> Response:
        """The bans that hold now: on your own streams, or, for a moderator, on all. Newest first, equal ones by id."""
        query = self.query(ListBansQuery)
        creator = None if moderates(self.user) else self.user.pk
        return reads.BANS.page(query, caller=self.user.pk, creator=creator, now=timezone.now())

    @extend_schema(
        operation_id="getLiveStreamBanByIdV1",
        summary="Get a ban",
        tags=["Live Stream Bans"],
        responses={200: BanSerializer},
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """Read one ban, also a lifted one; for the stream's creator, a moderator, and the banned person."""
        found = reads.ban_of_stream(id)
        refuse_unless_concerned(self.user, found.creator_id, found.ban["targetUserId"])
        return Response(found.ban)

    @extend_schema(
        operation_id="updateLiveStreamBanByIdV1",
        summary="Update a ban",
        tags=["Live Stream Bans"],
        request=ChangeBanSerializer,
        responses={200: BanSerializer},
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Change kind, reason or end of a ban that holds; the end to earlier, later, or null (until it is lifted)."""
        seen = reads.ban_of_stream(id)
        refuse_unless_creator_or_moderator(self.user, seen.creator_id)
        changes = ChangeBanSerializer.validated(request.data)
        ban = services.change_ban(id, by=self.user, now=timezone.now(), changes=changes, stream_id=seen.stream_id)
        return Response(seen.changed(ban))

    @extend_schema(
        operation_id="deleteLiveStreamBanByIdV1",
        summary="Lift a ban",
        tags=["Live Stream Bans"],
        responses={200: BanSerializer},
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Lift a ban. Afterwards the person may be banned again."""
        seen = reads.ban_of_stream(id)
        refuse_unless_creator_or_moderator(self.user, seen.creator_id)
        ban = services.lift_ban(id, by=self.user, now=timezone.now(), stream_id=seen.stream_id)
        return Response(seen.changed(ban))

    @extend_schema(
        operation_id="checkLiveStreamBanByTargetuseridV1",
        summary="Check whether a user is banned",
        tags=["Live Stream Bans"],
        parameters=[CheckBanQuery],
        responses={200: CheckSerializer},
    )
    def check(self, request: Request, targetUserId: str) -> Response:
        """Whether a person is banned from a stream now; for its creator, moderators, that person, service accounts."""
        stream_id = self.query(CheckBanQuery)["stream"]
        return Response(reads.check(targetUserId, stream_id, caller=self.user, now=timezone.now()))
