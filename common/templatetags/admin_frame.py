"""Texts of the frame around all pages of the admin, which no view gives."""

from typing import Any

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

register = template.Library()


@register.simple_tag
def frame_texts() -> dict[str, Any]:
    return {
        "time_zone": timezone.get_current_timezone_name(),
        "times_are_in": _("Times are in this time zone:"),
        "change": _("Preferences"),
    }
