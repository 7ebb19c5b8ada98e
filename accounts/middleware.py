"""Middleware: pages of the admin in the language and the time zone that their reader chose."""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation

from accounts.models import User
from common.replica.last_writes import note_write


def follow_preferences(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Needs the middleware of sessions, languages and users before it. Runs no statement of its own.

    A streamed answer is produced later, and so in the language and the zone of the process.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(settings.ADMIN_PREFIX):
            return get_response(request)
        language, zone = translation.get_language(), settings.ADMIN_TIME_ZONE
        if isinstance(user := request.user, User):
            language = user.preferences.language or language
            zone = user.preferences.time_zone or zone
        request.LANGUAGE_CODE = language
        with translation.override(language), timezone.override(_zone(zone)):
            response = get_response(request)
            if isinstance(user, User) and request.method == "POST":
                note_write(user.pk)
        response.headers["Content-Language"] = language
        return response

    return middleware


def _zone(name: str) -> ZoneInfo:
    """The zone; UTC when the list of time zones of this machine no longer has it."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return ZoneInfo("UTC")
