"""Many bans at once over HTTP, and their undo."""

from collections import Counter
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bans import services
from bans.permissions import NotAModerator, refuse_unless_creator_or_moderator
from bans.serializers import BulkBanAnswerSerializer, BulkBanSerializer, UndoBulkBanAnswerSerializer
from bans.services import BulkOutcome
from bans.views.bans import CREATOR
from common.refusals import Refusal
from common.views import ApiViewSet
from livestreams.services import StreamMissing


class BulkBanViewSet(ApiViewSet):
    """Against a raid."""

    serializer_class = BulkBanAnswerSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "create": [StreamMissing, NotAModerator, services.StreamOver],
        "destroy": [services.BatchMissing, NotAModerator, services.BatchUndone],
    }

    @extend_schema(
        operation_id="bulkBanV1",
        tags=["Bans"],
        request=BulkBanSerializer,
        responses={200: BulkBanAnswerSerializer},
    )
    def create(self, request: Request) -> Response:
        """Ban up to 1,000 people from a stream, as its creator or a moderator, with an answer for each.

        Whoever is banned already, is protected from bans or does not exist keeps nobody else from being banned.
        """
        self.refuse_unless_mine(BulkBanSerializer.validated_field(request.data, "liveStreamId"))
        values = BulkBanSerializer.validated(request.data)
        batch = services.ban_many(**values, by=self.user, now=timezone.now())
        counted = Counter(answer.outcome for answer in batch.answers)
        return Response(
            {
                "batchId": batch.id,
                "dryRun": values["dry_run"],
                "banned": counted[BulkOutcome.BANNED],
                "alreadyBanned": counted[BulkOutcome.ALREADY_BANNED],
                "refused": counted[BulkOutcome.REFUSED],
                "outcomes": [written(answer) for answer in batch.answers],
            }
        )

    @extend_schema(operation_id="undoBulkBanV1", tags=["Bans"], responses={200: UndoBulkBanAnswerSerializer})
    def destroy(self, request: Request, batchId: str) -> Response:
        """Undo a bulk ban: lift its bans, apart from those that somebody changed, reviewed or lifted since."""
        self.refuse_unless_of_my_stream(batchId)
        answers = services.undo_batch(batchId, by=self.user, now=timezone.now())
        counted = Counter(answer.outcome for answer in answers)
        return Response(
            {
                "batchId": batchId,
                "lifted": counted[BulkOutcome.LIFTED],
                "skipped": counted[BulkOutcome.SKIPPED],
                "outcomes": [written(answer) for answer in answers],
            }
        )

    def refuse_unless_mine(self, stream_id: str) -> None:
        rows = CREATOR.rows(id=stream_id)
        if not rows:
            raise StreamMissing
        refuse_unless_creator_or_moderator(self.user, rows[0][0])

    def refuse_unless_of_my_stream(self, batch_id: str) -> None:
        """A deleted stream is in no answer, and neither is a batch of bans from it. Raises BatchMissing."""
        rows = CREATOR.rows(id=services.stream_of_batch(batch_id))
        if not rows:
            raise services.BatchMissing
        refuse_unless_creator_or_moderator(self.user, rows[0][0])


def written(answer: services.Answer) -> dict[str, Any]:
    return {
        "target": answer.target,
        "targetUserId": answer.target_id,
        "outcome": answer.outcome,
        "code": answer.refusal and answer.refusal.code,
        "banId": answer.ban_id,
    }
