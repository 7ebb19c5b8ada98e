"""The picture of a stream over HTTP."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.pictures import PictureSlotsFull
from common.refusals import Refusal
from common.storage import StorageFull, StorageUnavailable
from common.views import ApiViewSet
from livestreams import reads, services
from livestreams.permissions import refuse_unless_creator
from livestreams.serializers import LiveStreamSerializer, SetThumbnailSerializer
from livestreams.services import NotTheCreator, StreamMissing
from livestreams.thumbnails import stored_thumbnail


class ThumbnailViewSet(ApiViewSet):
    """Setting the picture of a stream, and going back to the default one."""

    serializer_class = LiveStreamSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "update": [StreamMissing, NotTheCreator, PictureSlotsFull, StorageFull, StorageUnavailable],
        "destroy": [StreamMissing, NotTheCreator],
    }

    @extend_schema(
        operation_id="setLiveStreamByIdThumbnailV1",
        summary="Set the thumbnail of a live stream",
        tags=["Live Streams"],
        request={"multipart/form-data": SetThumbnailSerializer},
        responses={200: LiveStreamSerializer},
    )
    def update(self, request: Request, id: str) -> Response:
        """Give a stream of yours a picture, in place of the one that it has; also after it has started or ended.

        The picture is made smaller where a side has more than 1,280 pixels. It gets a new address, and the old one
        stops working.
        """
        seen = reads.stream_to_change(id)
        refuse_unless_creator(self.user, seen)
        with stored_thumbnail(SetThumbnailSerializer.validated(request.data)["thumbnail"]) as file:
            stream = services.set_thumbnail(id, by=self.user, now=timezone.now(), file=file)
        return Response(seen.changed(stream, caller=self.user.pk))

    @extend_schema(
        operation_id="deleteLiveStreamByIdThumbnailV1",
        summary="Remove the thumbnail of a live stream",
        tags=["Live Streams"],
        responses={200: LiveStreamSerializer},
    )
    def destroy(self, request: Request, id: str) -> Response:
        """Go back to the default picture. A stream that has it is answered as it is."""
        seen = reads.stream_to_change(id)
        refuse_unless_creator(self.user, seen)
        stream = services.remove_thumbnail(id, by=self.user, now=timezone.now())
        return Response(seen.changed(stream, caller=self.user.pk))
