"""The caller's own bans and the appeals against them over HTTP."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bans import reads, services
from bans.permissions import NotConcerned, moderates, refuse_unless_banned_person, refuse_unless_concerned
from bans.serializers import (
    AppealBanSerializer,
    AppealedBanSerializer,
    AppealSerializer,
    ListAppealsQuery,
    ListMyBansQuery,
    MyBanSerializer,
)
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet


class MyBanViewSet(ApiViewSet):
    """The caller's own bans, and appeals."""

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

    def lock_object(self, **ids: str) -> None:
        services.locked_ban(ids["id"])

    @extend_schema(
        operation_id="listLiveStreamBanMineV1",
        summary="List own bans",
        tags=["Live Stream Bans"],
        parameters=[ListMyBansQuery],
        responses={200: page_of(MyBanSerializer)},
    )
    def list(self, request: Request) -> Response:
        """Your bans with their reason, end and state, and your appeal. Newest first, equal ones by id.

        Bans that have lapsed or were lifted are listed too; `state=active` leaves those that hold now.
        """
        query = self.query(ListMyBansQuery)
        return reads.MY_BANS.page(query, caller=self.user.pk, user=self.user.pk, now=timezone.now())

    @extend_schema(
        operation_id="listLiveStreamBanAppealsV1",
        summary="List appeals",
        tags=["Live Stream Bans"],
        parameters=[ListAppealsQuery],
        responses={200: page_of(AppealedBanSerializer)},
    )
    def list_appeals(self, request: Request) -> Response:
        """Your appeals or, for a moderator, those of everybody, with the bans. Newest first, equal ones by id.

        `status=pending` leaves those that wait for a decision.
        """
        by = None if moderates(self.user) else self.user.pk
        return reads.APPEALS.page(self.query(ListAppealsQuery), caller=self.user.pk, by=by)

    @extend_schema(
        operation_id="createLiveStreamBanByIdAppealV1",
        summary="Appeal against a ban",
        tags=["Live Stream Bans"],
        request=AppealBanSerializer,
        responses={201: AppealSerializer},
    )
    def appeal(self, request: Request, id: str) -> Response:
        """Appeal against one of your bans while it holds. Each ban can be appealed once."""
        refuse_unless_banned_person(self.user, reads.appeal_of_ban(id).target_id)
        values = AppealBanSerializer.validated(request.data)
        services.appeal_ban(id, by=self.user, now=timezone.now(), **values)
        return Response(reads.any_appeal(id), status=201)

    @extend_schema(
        operation_id="getLiveStreamBanByIdAppealV1",
        summary="Get the appeal against a ban",
        tags=["Live Stream Bans"],
        responses={200: AppealSerializer},
    )
    def read_appeal(self, request: Request, id: str) -> Response:
        """Read the appeal against a ban; for the stream's creator, a moderator, and the banned person."""
        appeal, creator_id, target_id = reads.appeal_of_ban(id)
        refuse_unless_concerned(self.user, creator_id, target_id)
        if appeal is None:
            raise services.AppealMissing
        return Response(appeal)

    @extend_schema(
        operation_id="deleteLiveStreamBanByIdAppealV1",
        summary="Withdraw an appeal",
        tags=["Live Stream Bans"],
        responses={200: AppealSerializer},
    )
    def withdraw_appeal(self, request: Request, id: str) -> Response:
        """Withdraw your appeal while nobody has decided it. You cannot appeal against the same ban again."""
        reads.appeal_of_ban(id)  # raises BanMissing when the stream is deleted, which the service does not
        services.withdraw_appeal(id, by=self.user, now=timezone.now())
        return Response(reads.any_appeal(id))
