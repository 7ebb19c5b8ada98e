"""The address of the caller's own calendar, and the calendar behind it."""

from typing import ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common import api
from common.refusals import Refusal
from common.times import wire_time
from common.views import SECRET, ApiViewSet
from reminders import reads, services
from reminders.calendars import feed_of
from reminders.serializers import CalendarAddressSerializer, NewCalendarAddressSerializer
from reminders.views.calendars import calendar_answer


class CalendarAddressViewSet(ApiViewSet):
    """The address of the caller's own calendar."""

    serializer_class = CalendarAddressSerializer
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {"destroy": [services.CalendarAddressMissing]}
    # The secret is shown once, so no repeat shows it again. A new address replaces one whose answer was lost.
    without_key = frozenset({"create"})

    @extend_schema(
        operation_id="createLiveStreamMyCalendarV1",
        summary="Create own calendar address",
        tags=["Live Stream Calendars"],
        request=None,
        responses={201: NewCalendarAddressSerializer},
    )
    def create(self, request: Request) -> Response:
        """Get an address at which any calendar program can subscribe to your streams, without a token.

        The calendar has your own streams, as creator or accepted guest, and those on which you have a reminder, which
        is the alarm of the event; at most the 200 nearest to now. Whoever knows the address can read it, so it is
        shown this once. A new one replaces it. It outlives your sessions; delete it to revoke it.
        """
        address = services.create_calendar_address(by=self.user, now=timezone.now())
        url = settings.PUBLIC_URL.rstrip("/") + reverse("own-calendar", args=[address.secret])
        answer = {"createdAt": wire_time(address.created_at), "url": url}
        return Response(answer, status=201, headers=SECRET)

    @extend_schema(
        operation_id="deleteLiveStreamMyCalendarV1",
        summary="Revoke own calendar address",
        tags=["Live Stream Calendars"],
        responses={200: CalendarAddressSerializer},
    )
    def destroy(self, request: Request) -> Response:
        """Revoke the address of your calendar. Programs that have subscribed to it get 404 from then on."""
        address = services.delete_calendar_address(by=self.user, now=timezone.now())
        return Response({"createdAt": wire_time(address.created_at)})


@csrf_exempt
@require_safe
def own_calendar(request: HttpRequest, secret: str) -> HttpResponse:
    """The calendar of the user whose address it is. Beside the API, because its address is a credential of its own."""
    try:
        feed = reads.own_calendar(secret, now=timezone.now())
    except reads.NoSuchAddress as error:
        response = api.answer_to(error, request.META)
    else:
        named = (feed.name, feed.entries)
        response = calendar_answer(request.META, lambda: feed_of(*named), feed.username, made_of=named)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
