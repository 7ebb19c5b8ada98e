"""The UID and the URL of calendar events, and the settings for them."""

import os
import re
import subprocess
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from accounts.models import User
from config.calendars import check_calendar_domain, check_stream_page_url
from tests.conftest import Api
from tests.forking import manage
from tests.patience import PATIENCE
from tests.reminders.calendar_readers import calendar_in, events_in, feed_url, one_url
from tests.streams import make_stream

ADDRESSES = (
    "http://localhost:8000",
    "https://live.example.org",
    "https://live.example.net:8443/kumanda",
    "http://[::1]",
)


def test_events_do_not_depend_on_the_public_url(api: Api, creator: User, settings: Any) -> None:
    stream = make_stream(creator)
    seen = []
    for address in ADDRESSES:
        settings.PUBLIC_URL = address
        seen += [calendar_in(api().get(url)) for url in (one_url(stream), feed_url(creator))]

    events = [re.findall("BEGIN:VEVENT.*END:VEVENT", text, re.DOTALL) for text in seen]
    assert all(each == events[0] for each in events), "no part of an event contains the public URL"
    assert f"UID:{stream.pk}@kumanda.invalid\r\n" in events[0][0]


def test_the_domain_of_uids_is_a_setting(api: Api, creator: User, settings: Any) -> None:
    settings.CALENDAR_DOMAIN = "calendar.example.com"
    stream = make_stream(creator)

    (event,) = events_in(api().get(one_url(stream)))

    assert event.uid == f"{stream.pk}@calendar.example.com"


def test_without_a_page_setting_events_have_no_url(api: Api, creator: User) -> None:
    stream = make_stream(creator)

    response = api().get(one_url(stream))

    assert [event.url for event in events_in(response)] == [None]
    assert "\r\nURL" not in calendar_in(response)


@pytest.mark.parametrize(
    "template",
    [
        "https://www.example.com/live/{channelName}",
        "https://www.example.com/watch?stream={id}&from=calendar",
        "http://localhost:3000/#/{id}/{channelName}",
        f"https://www.example.com/{'long-' * 30}/{{id}}",
    ],
)
def test_the_url_of_an_event_is_the_page_of_the_stream(template: str, api: Api, creator: User, settings: Any) -> None:
    settings.STREAM_PAGE_URL = template
    stream = make_stream(creator, title="Çığ, 50% {id}; \\n")
    page = template.replace("{channelName}", stream.channel_name).replace("{id}", stream.pk)

    for url in (one_url(stream), feed_url(creator)):
        assert [event.url for event in events_in(api().get(url))] == [page]


def test_the_etag_depends_on_the_page_and_the_domain(api: Api, creator: User, settings: Any) -> None:
    stream, tags = make_stream(creator), []
    for page, domain in (("", "a.example"), ("https://www.example.com/{id}", "a.example"), ("", "b.example")):
        settings.STREAM_PAGE_URL, settings.CALENDAR_DOMAIN = page, domain
        tags.append(api().get(one_url(stream)).headers["ETag"])

    assert len(set(tags)) == 3
    settings.PUBLIC_URL = "https://live.example.org"
    assert api().get(one_url(stream)).headers["ETag"] == tags[2]


BAD_PAGES = (
    "www.example.com/{id}", "https://www.example.com/live", "https://{channelName}.example.com/", "https:///{id}",
    "https://www.example.com/{name}", "https://www.example.com/{id", "https://www.example.com/{}/{id}",
    "javascript:alert({id})", "https://www.example.com/a b/{id}", "https://www.example.com/{id}\r\nX-A:1",
    "https://user:pass@www.example.com/{id}", "https://www.example.com:99999/{id}", "https://www.example.com/ş/{id}",
)  # fmt: skip


@pytest.mark.parametrize("template", BAD_PAGES)
def test_an_invalid_page_is_refused_at_start(template: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="STREAM_PAGE_URL must be an http or https address"):
        check_stream_page_url(template)


@pytest.mark.parametrize(
    "domain",
    ["https://example.com", "example.com:80", "Example.com", "a b", "a@b", "-a.example", "a..b", "x" * 64, "a.\n"],
)
def test_an_invalid_domain_is_refused_at_start(domain: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="CALENDAR_DOMAIN must be a domain name"):
        check_calendar_domain(domain)


@pytest.mark.parametrize("domain", ["localhost", "calendar.example.com", "xn--bcher-kva.example", "1.example"])
def test_a_valid_domain_is_accepted(domain: str) -> None:
    check_calendar_domain(domain)


@pytest.mark.parametrize(
    ("name", "value"), [("CALENDAR_DOMAIN", "https://example.com"), ("STREAM_PAGE_URL", "https://example.com/")]
)
def test_no_process_starts_with_an_invalid_setting(name: str, value: str) -> None:
    ended = subprocess.run(
        manage("check"),
        cwd=django_settings.BASE_DIR,
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert ended.returncode != 0
    assert f"{name} must be" in ended.stderr
