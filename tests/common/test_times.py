"""Times as people read them: one format in every language, time zone and place."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format, localize
from django.utils.translation import override

from common.admin import moment_html
from common.times import how_long_ago, written, written_exactly

ROOT = Path(settings.BASE_DIR)
MOMENT_OF_TEST = datetime(2026, 11, 27, 19, 41, 9, 870_000, tzinfo=UTC)
LANGUAGES = [code for code, _name in settings.LANGUAGES]


@pytest.mark.parametrize(
    ("language", "zone", "said"),
    [
        ("en", "UTC", "27 Nov 2026, 19:41"),
        ("en", "Europe/Istanbul", "27 Nov 2026, 22:41"),
        ("tr", "Europe/Istanbul", "27 Kas 2026, 22:41"),
        ("tr", "Asia/Tokyo", "28 Kas 2026, 04:41"),
    ],
)
def test_a_time_is_written_in_the_language_and_the_zone_of_its_reader(language: str, zone: str, said: str) -> None:
    with override(language), timezone.override(zone):
        assert written(MOMENT_OF_TEST) == said
        assert written_exactly(MOMENT_OF_TEST) == f"{said}:09 ({zone})"


@pytest.mark.parametrize("language", LANGUAGES)
def test_django_writes_times_in_the_same_way(language: str) -> None:
    """Lists and pages of the admin show columns of the database with `localize`."""
    with override(language), timezone.override("Europe/Istanbul"):
        local = timezone.localtime(MOMENT_OF_TEST)
        assert localize(local) == date_format(local, "SHORT_DATETIME_FORMAT") == written(MOMENT_OF_TEST)
        assert localize(local.date()) == written(MOMENT_OF_TEST).partition(",")[0]
        assert localize(local.time()) == "22:41"


@pytest.mark.parametrize(
    ("distance", "english", "turkish"),
    [
        (timedelta(seconds=-59), "just now", "şimdi"),
        (timedelta(minutes=-3, seconds=-50), "3 minutes ago", "3 dakika önce"),
        (timedelta(hours=2), "in 2 hours", "2 saat sonra"),
        (timedelta(days=-1, hours=-2), "1 day ago", "1 gün önce"),
        (timedelta(days=400), "in 1 year", "1 yıl sonra"),
    ],
)
def test_how_long_ago(distance: timedelta, english: str, turkish: str) -> None:
    for language, said in (("en", english), ("tr", turkish)):
        with override(language):
            assert how_long_ago(MOMENT_OF_TEST + distance, now=MOMENT_OF_TEST).replace("\xa0", " ") == said


def test_a_time_in_a_page_has_its_second_and_its_zone_as_a_title() -> None:
    with override("en"), timezone.override("Europe/Istanbul"):
        shown = moment_html(timezone.now() - timedelta(minutes=5), with_age=True)
    assert re.fullmatch(
        r'<time datetime="[^"]+\+00:00" title="[^"]+:\d\d \(Europe/Istanbul\)" class="[^"]+">[^<]+</time> '
        r'<span class="[^"]+">\(5\sminutes ago\)</span>',
        shown,
    )


def test_pages_of_the_admin_use_no_other_format() -> None:
    """`strftime`, formats in f-strings and the filters of templates would each write a time in a way of its own."""
    own = re.compile(
        r"strftime\(|\{[^{}]*:%[A-Za-z]|date_format\(|\|\s*(?:date(?!:.c.)|time|timesince|timeuntil|naturaltime)\b"
    )
    files = [
        file
        for app in ("accounts", "bans", "common", "config", "livestreams", "reminders")
        for file in (ROOT / app).rglob("*")
        if file.suffix == ".html" or (file.suffix == ".py" and "admin" in str(file.relative_to(ROOT)))
    ]
    assert len(files) > 20
    found = {
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in files
        for line in file.read_text("utf-8").splitlines()
        if own.search(line)
    }
    # The value of a control, which a browser reads, and the name of a file.
    assert {line.partition(": ")[0] for line in found} == {"common/admin/forms.py", "common/admin/audit_export.py"}
    assert len(found) == 2
    assert own.search("{{ moment|date:'Y' }}")


def test_every_language_has_its_formats() -> None:
    assert all((ROOT / "config" / "formats" / code / "formats.py").exists() for code in LANGUAGES)
