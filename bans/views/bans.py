"""Bans over HTTP: each action asks one question or makes one call to the services."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Exists, F, Subquery
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import holders_of
from accounts.services import UserMissing
from bans import services
from bans.models import LiveStreamBan
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
from common.pagination import Listing, Order
from common.queries import ID, TEXT, TIME, Param, Question
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet
from livestreams.models import LiveStream
from livestreams.services import StreamMissing


def _ban() -> models.QuerySet[Any]:
    return LiveStreamBan.all_objects.filter(pk=Param("id", ID)).values_list(
        "stream__creator_id", *BanSerializer.columns()
    )


ANY_BAN = Question(_ban)
# A deleted stream is in no answer, and neither is a ban from it.
BAN = Question(lambda: _ban().filter(stream__deleted_at__isnull=True))
CREATOR = Question(lambda: LiveStream.objects.filter(pk=Param("id", ID)).values_list("creator_id"))


def listing(name: str) -> Listing:
    """Holding bans, the newest first."""
    values: dict[str, models.Field[Any, Any]] = {
        "now": TIME,
        "creator": ID,
        "target": ID,
        "username_key": TEXT,
        "stream": ID,
        "made_from": TIME,
        "made_to": TIME,
    }
    orders = {"createdAt": Order(F("created_at"))}
    return Listing(name, BanSerializer, LiveStreamBan.objects.matching, values=values, orders=orders)


BANS = listing("bans")


def _check() -> models.QuerySet[Any]:
    """Whose stream it is, whether the caller may ask, and which ban holds: of a "no", all there is to know."""
    caller = {"pk": Param("caller", ID)}
    may_ask = Exists(holders_of("bans.moderate").filter(**caller)) | Exists(
        holders_of("livestreams.enforce").filter(**caller)
    )
    holding = LiveStreamBan.objects.holding(Param("now", TIME)).filter(
        stream=Param("stream", ID), target=Param("target", ID)
    )
    return LiveStream.objects.filter(pk=Param("stream", ID)).values_list(
        "creator_id", may_ask, Subquery(holding.values("pk")[:1])
    )


CHECK = Question(_check)


class LiveStreamBanViewSet(ApiViewSet):
    """Keeping people out of a stream."""

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

    @extend_schema(
        operation_id="createLiveStreamBanV1",
        tags=["Bans"],
        request=CreateBanSerializer,
        responses={201: BanSerializer},
    )
    def create(self, request: Request) -> Response:
        """Ban a person from a stream: `BLOCK` from watching it, `CHAT_ONLY` from writing in it."""
        self.refuse_unless_mine(CreateBanSerializer.validated_field(request.data, "liveStreamId"))
        values = CreateBanSerializer.validated(request.data)
        ban = services.ban_user(**values, by=self.user, now=timezone.now())
        return Response(self.written(ban.pk), status=201)

    @extend_schema(
        operation_id="listLiveStreamBansV1",
        tags=["Bans"],
        parameters=[ListBansQuery],
        responses={200: page_of(BanSerializer)},
    )
    def list(self, request: Request) -> Response:
        """The bans that hold now: on your own streams, or, for a moderator, on all. Newest first, equal ones by id."""
        query = self.query(ListBansQuery)
        creator = None if moderates(self.user) else self.user.pk
        return BANS.page(query, caller=self.user.pk, creator=creator, now=timezone.now())

    @extend_schema(operation_id="readLiveStreamBanByIdV1", tags=["Bans"], responses={200: BanSerializer})
    def retrieve(self, request: Request, id: str) -> Response:
        """Read one ban, also a lifted one; for the stream's creator, a moderator, and the banned person."""
        creator_id, *row = self.found(id)
        ban = BanSerializer.to_wire(row)
        refuse_unless_concerned(self.user, creator_id, ban["targetUserId"])
        return Response(ban)

    @extend_schema(
        operation_id="updateLiveStreamBanByIdV1",
        tags=["Bans"],
        request=ChangeBanSerializer,
        responses={200: BanSerializer},
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Change a ban that holds: its kind, its reason, or its end, earlier, later, or null for until it is lifted."""
        self.refuse_unless_of_my_stream(id)
        changes = ChangeBanSerializer.validated(request.data)
        services.change_ban(id, by=self.user, now=timezone.now(), changes=changes)
        return Response(self.written(id))

    @extend_schema(operation_id="liftLiveStreamBanByIdV1", tags=["Bans"], responses={200: BanSerializer})
    def destroy(self, request: Request, id: str) -> Response:
        """Lift a ban. Afterwards the person may be banned again."""
        self.refuse_unless_of_my_stream(id)
        services.lift_ban(id, by=self.user, now=timezone.now())
        return Response(self.written(id))

    @extend_schema(
        operation_id="checkLiveStreamBanV1",
        tags=["Bans"],
        parameters=[CheckBanQuery],
        responses={200: CheckSerializer},
    )
    def check(self, request: Request, targetUserId: str) -> Response:
        """Whether a person is banned from a stream now; for its creator, moderators, that person, service accounts."""
        stream = self.query(CheckBanQuery)["stream"]
        rows = CHECK.rows(stream=stream, target=targetUserId, caller=self.user.pk, now=timezone.now())
        if not rows:
            raise StreamMissing
        creator_id, may_ask, ban_id = rows[0]
        if not may_ask and self.user.pk not in (creator_id, targetUserId):
            raise NotConcerned
        ban = None if ban_id is None else self.written(ban_id)
        # Lifted between the two looks: nothing holds any more.
        if ban is not None and ban["deletedAt"] is not None:
            ban = None
        return Response({"isBanned": ban is not None, "ban": ban})

    # --- steps ----------------------------------------------------------------------------------------

    def found(self, ban_id: str) -> Any:
        """Raises BanMissing."""
        rows = BAN.rows(id=ban_id)
        if not rows:
            raise services.BanMissing
        return rows[0]

    def written(self, ban_id: str) -> dict[str, Any]:
        """The ban that this call has changed, as it is now; somebody may have deleted its stream since."""
        ((_, *row),) = ANY_BAN.rows(id=ban_id)
        return BanSerializer.to_wire(row)

    def refuse_unless_of_my_stream(self, ban_id: str) -> None:
        creator_id, *_ = self.found(ban_id)
        refuse_unless_creator_or_moderator(self.user, creator_id)

    def refuse_unless_mine(self, stream_id: str) -> None:
        rows = CREATOR.rows(id=stream_id)
        if not rows:
            raise StreamMissing
        refuse_unless_creator_or_moderator(self.user, rows[0][0])
