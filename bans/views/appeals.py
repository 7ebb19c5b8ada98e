"""The caller's own bans and the appeals against them over HTTP."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bans import reads, services
from bans.permissions import NotConcerned, refuse_unless_banned_person, refuse_unless_concerned
from bans.serializers import AppealBanSerializer, AppealSerializer, BanSerializer
from common.pagination import PageQuery
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
        operation_id="listMyBansV1",
        tags=["Bans"],
        parameters=[PageQuery],
        responses={200: page_of(BanSerializer)},
    )
    def list(self, request: Request) -> Response:
        """The bans that hold against you now, with their reason and end. Newest first, equal ones by id."""
        query = self.query(PageQuery)
        return reads.MY_BANS.page(query, caller=self.user.pk, target=self.user.pk, now=timezone.now())

    @extend_schema(
        operation_id="appealBanV1",
        tags=["Bans"],
        request=AppealBanSerializer,
        responses={201: AppealSerializer},
    )
    def appeal(self, request: Request, id: str) -> Response:
        """Appeal against one of your bans while it holds. Each ban can be appealed once."""
        refuse_unless_banned_person(self.user, reads.appeal_of_ban(id).target_id)
        values = AppealBanSerializer.validated(request.data)
        services.appeal_ban(id, by=self.user, now=timezone.now(), **values)
        return Response(reads.any_appeal(id), status=201)

    @extend_schema(operation_id="readAppealV1", tags=["Bans"], responses={200: AppealSerializer})
    def read_appeal(self, request: Request, id: str) -> Response:
        """Read the appeal against a ban; for the stream's creator, a moderator, and the banned person."""
        appeal, creator_id, target_id = reads.appeal_of_ban(id)
        refuse_unless_concerned(self.user, creator_id, target_id)
        if appeal is None:
            raise services.AppealMissing
        return Response(appeal)

    @extend_schema(operation_id="withdrawAppealV1", tags=["Bans"], responses={200: AppealSerializer})
    def withdraw_appeal(self, request: Request, id: str) -> Response:
        """Withdraw your appeal while nobody has decided it. You cannot appeal against the same ban again."""
        reads.appeal_of_ban(id)  # raises BanMissing when the stream is deleted, which the service does not
        services.withdraw_appeal(id, by=self.user, now=timezone.now())
        return Response(reads.any_appeal(id))
