"""Times in pages of the admin."""

from datetime import datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from common.times import how_long_ago, written, written_exactly


def time_html(moment: datetime, text: str) -> SafeString:
    """`text` as what is shown of the time, whose title has the second and the zone."""
    return format_html(
        '<time datetime="{}" title="{}" class="whitespace-nowrap">{}</time>',
        moment.isoformat(timespec="seconds"),
        written_exactly(moment),
        text,
    )


def moment_html(moment: datetime, *, with_age: bool = False) -> SafeString:
    """The time, and how long ago it was where that helps."""
    shown = time_html(moment, written(moment))
    if not with_age:
        return shown
    age = how_long_ago(moment, now=timezone.now())
    return format_html('{} <span class="text-subtle whitespace-nowrap">({})</span>', shown, age)
