"""Reports of streams over HTTP."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bans import reads, services
from bans.serializers import ListMyReportsQuery, MyReportSerializer, ReportSerializer, ReportStreamSerializer
from common.refusals import Refusal
from common.schema import page_of
from common.views import ApiViewSet
from livestreams.services import StreamMissing


class ReportViewSet(ApiViewSet):
    """Reports of streams."""

    serializer_class = ReportSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "create": [StreamMissing, services.CannotReportOwnStream, services.AlreadyReported],
    }

    @extend_schema(
        operation_id="createLiveStreamReportsByStreamidV1",
        summary="Report a live stream",
        tags=["Live Stream Reports"],
        request=ReportStreamSerializer,
        responses={201: ReportSerializer},
    )
    def create(self, request: Request, streamId: str) -> Response:
        """Report a stream to the moderators, also when you are banned from it.

        All reports of a stream are decided together. Until then you can report it once; after a decision you can report
        it again.
        """
        with self.refused_first(lambda: services.refuse_reporting(streamId, by=self.user)):
            values = ReportStreamSerializer.validated(request.data)
        report = services.report_stream(streamId, by=self.user, now=timezone.now(), **values)
        return Response(reads.new_report(report), status=201)

    @extend_schema(
        operation_id="listLiveStreamReportsMyReportsV1",
        summary="List own reports",
        tags=["Live Stream Reports"],
        parameters=[ListMyReportsQuery],
        responses={200: page_of(MyReportSerializer)},
    )
    def list(self, request: Request) -> Response:
        """Your reports, with their streams and what became of them. Newest first, equal ones by id."""
        return reads.MY_REPORTS.page(self.query(ListMyReportsQuery), caller=self.user.pk, reporter=self.user.pk)
