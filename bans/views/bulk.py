"""Bulk bans and their undo over HTTP."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bans import reads, services
from bans.permissions import NotAModerator, refuse_unless_creator_or_moderator
from bans.serializers import BulkBanAnswerSerializer, BulkBanSerializer, UndoBulkBanAnswerSerializer
from common.refusals import Refusal
from common.views import ApiViewSet
from livestreams.services import StreamMissing


class BulkBanViewSet(ApiViewSet):
    """Many bans in one call, against raids."""

    serializer_class = BulkBanAnswerSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "create": [StreamMissing, NotAModerator, services.StreamOver],
        "destroy": [services.BatchMissing, NotAModerator, services.BatchUndone],
    }

    @extend_schema(
        operation_id="createLiveStreamBanBulkV1",
        summary="Ban many users at once",
        tags=["Live Stream Bans"],
        request=BulkBanSerializer,
        responses={200: BulkBanAnswerSerializer},
    )
    def create(self, request: Request) -> Response:
        """Ban up to 1,000 people from a stream, as its creator or a moderator, with an outcome for each.

        People who are banned already, are protected from bans or do not exist do not keep the others from being banned.

        Where an installation wants a second moderator for so many people, nobody is banned yet: the outcomes are
        `requested`, and `requestId` names the request.
        """
        stream_id = BulkBanSerializer.validated_field(request.data, "liveStreamId")
        refuse_unless_creator_or_moderator(self.user, services.creator_of_stream(stream_id))
        values = BulkBanSerializer.validated(request.data)
        batch = services.ban_many(**values, by=self.user, now=timezone.now())
        return Response(reads.batch_made(batch, dry_run=values["dry_run"]))

    @extend_schema(
        operation_id="deleteLiveStreamBanBulkByBatchidV1",
        summary="Undo a bulk ban",
        tags=["Live Stream Bans"],
        responses={200: UndoBulkBanAnswerSerializer},
    )
    def destroy(self, request: Request, batchId: str) -> Response:
        """Undo a bulk ban: lift its bans, apart from those that somebody changed, reviewed or lifted since.

        Where so many lifts need a second moderator, they are `requested` only, as with the bulk ban.
        """
        refuse_unless_creator_or_moderator(self.user, reads.creator_of_batch(batchId))
        results = services.undo_batch(batchId, by=self.user, now=timezone.now())
        return Response(reads.batch_undone(batchId, results))
