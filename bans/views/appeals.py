"""The banned person's side over HTTP: what holds against me, and what I say to it."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bans import services
from bans.models import LiveStreamBan
from bans.permissions import NotConcerned, refuse_unless_concerned
from bans.serializers import AppealBanSerializer, AppealSerializer, BanSerializer
from bans.views.bans import listing
from common.pagination import PageQuery
from common.queries import ID, Param, Question
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet


def _appeal() -> models.QuerySet[Any]:
    return LiveStreamBan.all_objects.filter(pk=Param("id", ID)).values_list(
        "stream__creator_id", "target_id", *(f"appeal__{column}" for column in AppealSerializer.columns())
    )


MINE = listing("my-bans")
ANY_APPEAL = Question(_appeal)
# A deleted stream is in no answer, and neither is a ban from it.
APPEAL = Question(lambda: _appeal().filter(stream__deleted_at__isnull=True))


class MyBanViewSet(ApiViewSet):
    """What the banned person may know and do."""

    serializer_class = AppealSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "appeal": [
            services.BanMissing,
            services.NotTheBannedPerson,
            services.NothingToAppeal,
            services.AlreadyAppealed,
        ],
        "read_appeal": [services.BanMissing, NotConcerned, services.AppealMissing],
        "withdraw_appeal": [
            services.BanMissing,
            services.NotTheBannedPerson,
            services.AppealMissing,
            services.AppealDecided,
        ],
    }

    @extend_schema(
        operation_id="listMyBansV1",
        tags=["Bans"],
        parameters=[PageQuery],
        responses={200: page_of(BanSerializer)},
    )
    def list(self, request: Request) -> Response:
        """The bans that hold against you now, with their reason and end. Newest first, equal ones by id."""
        query = self.query(PageQuery)
        return MINE.page(query, caller=self.user.pk, target=self.user.pk, now=timezone.now())

    @extend_schema(
        operation_id="appealBanV1",
        tags=["Bans"],
        request=AppealBanSerializer,
        responses={201: AppealSerializer},
    )
    def appeal(self, request: Request, id: str) -> Response:
        """Appeal against a ban of yours, as long as it holds; once."""
        _, target_id, *_ = self.found(id)
        if target_id != self.user.pk:
            raise services.NotTheBannedPerson
        values = AppealBanSerializer.validated(request.data)
        services.appeal_ban(id, by=self.user, now=timezone.now(), **values)
        return Response(self.written(id), status=201)

    @extend_schema(operation_id="readAppealV1", tags=["Bans"], responses={200: AppealSerializer})
    def read_appeal(self, request: Request, id: str) -> Response:
        """Read the appeal against a ban; for the stream's creator, a moderator, and the banned person."""
        creator_id, target_id, *row = self.found(id)
        refuse_unless_concerned(self.user, creator_id, target_id)
        if row[0] is None:
            raise services.AppealMissing
        return Response(AppealSerializer.to_wire(row))

    @extend_schema(operation_id="withdrawAppealV1", tags=["Bans"], responses={200: AppealSerializer})
    def withdraw_appeal(self, request: Request, id: str) -> Response:
        """Withdraw your appeal while nobody has decided it. There is no second one."""
        self.found(id)
        services.withdraw_appeal(id, by=self.user, now=timezone.now())
        return Response(self.written(id))

    def found(self, ban_id: str) -> Any:
        """Raises BanMissing."""
        rows = APPEAL.rows(id=ban_id)
        if not rows:
            raise services.BanMissing
        return rows[0]

    def written(self, ban_id: str) -> dict[str, Any]:
        ((_, _, *row),) = ANY_APPEAL.rows(id=ban_id)
        return AppealSerializer.to_wire(row)
