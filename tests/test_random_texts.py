"""Random texts in every text field of the API, the admin and the import: accepted ones are returned and found."""

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes, policy
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from icalendar import Calendar

from accounts.models import User
from accounts.services import user_of_identity
from bans.models import LiveStreamBan
from common.models import AuditEntry
from common.rate_limits.policies import NAMES, policies_of
from common.texts import folded
from edges.services import admit
from livestreams.models import LiveStream, Status
from reminders.channels import Batch, Person
from reminders.channels.email import message
from reminders.channels.webhook import payload
from reminders.texts import message_of
from tests.admin.pages import action_url, list_url
from tests.bans.people import BANS, make_ban
from tests.conftest import Api, make_user, session_of
from tests.envelope import assert_refused, data_of
from tests.random_texts import anything, beginning, fitting, in_every_case, unfitting
from tests.streams import STREAMS, make_stream, stream_url

pytestmark = pytest.mark.slow

ONE_LINE_RULES = (
    "must not be empty",
    "must not have line breaks or control characters, such as U+",
    "must not have embeddings or overrides of the direction of writing, such as U+",
    "must close each isolate of the direction of writing (U+2066 to U+2068) with U+2069",
    "must have at least one visible character",
)
MANY_LINES_RULES = (
    *(rule for rule in ONE_LINE_RULES if "line breaks" not in rule),
    "must not have control characters other than line breaks and tabs, such as U+",
)
numbers = count()


@pytest.fixture(autouse=True)
def _without_rate_limits(settings: Any) -> None:
    """A fast machine makes more than 600 searches in a minute."""
    settings.RATE_LIMITS = policies_of(dict.fromkeys(NAMES, "0"))


def tried(examples: int) -> Callable[..., Any]:
    return hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def stored(text: str) -> str:
    """The stored form of an accepted text of one line."""
    return unicodedata.normalize("NFC", text).strip()


def stored_lines(text: str) -> str:
    return stored(text.replace("\r\n", "\n").replace("\r", "\n"))


def assert_refused_by_a_rule(response: Any, field: str, rules: tuple[str, ...]) -> None:
    assert_refused(response, 400, "validation_failed")
    reasons = response.json()["errors"][1:]
    assert len(reasons) == 1
    assert reasons[0].startswith(tuple(f"{field}: {rule}" for rule in rules)), reasons


# --- streams --------------------------------------------------------------------------------------


@tried(30)
@given(title=st.one_of(fitting, anything))
@example(title="\u202eabc")
@example(title="a\u0327\u0301\u0325")
@example(title="  ςΣς\u3000b ")
def test_a_title_is_returned_and_found_and_breaks_no_sentence(
    title: str, api: Api, creator: User, viewer: User
) -> None:
    client = api(creator)
    answer = client.post(f"{STREAMS}/create", {"title": title, "plannedStartDate": soon()}, format="json")
    if answer.status_code != 201:
        assert_refused_by_a_rule(answer, "title", ONE_LINE_RULES)
        return
    stream = data_of(answer, 201)
    assert stream["title"] == stored(title)

    edited = client.patch(f"{STREAMS}/{stream['id']}", {"title": title, "interest": title[:16]}, format="json")
    if edited.status_code == 200:  # the first part alone may have no visible character
        assert (data_of(edited)["title"], data_of(edited)["interest"]) == (stream["title"], stored(title[:16]))
    assert_found(client, STREAMS, stream["title"], stream["id"], "id")
    assert_notified(stream["title"], stream["id"])
    assert_in_calendar(client, stream["id"], stream["title"])
    LiveStream.all_objects.all().delete()


def soon() -> str:
    return (timezone.now() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")


def assert_found(client: Any, address: str, text: str, key: str, name: str) -> None:
    parts = {part for whole in (text, beginning(text)) for part in in_every_case(whole)}
    for part in parts:
        if folded(part):
            found = data_of(client.get(address, {"search": part, "limit": 100}))["list"]
            assert key in [row[name] for row in found], f"{part!a} does not find {text!a}"


def assert_notified(title: str, stream_id: str) -> None:
    at = timezone.now()
    people = (Person(stream_id, title, "a@example.com", "en"),)
    batch = Batch(stream_id, "reminder", stream_id, title, at + timedelta(minutes=15), at, people)
    sentence = message_of(batch.kind, title, batch.planned_start_at, at)
    assert sentence.replace("\u2068", "").replace("\u2069", "").count(f"“{without_isolates(title)}”") == 1
    assert sentence.endswith(" starts in 15 minutes.")
    assert is_left_to_right(sentence.removesuffix(" starts in 15 minutes."), title)

    mailed = message_from_bytes(message(batch, people[0]).message().as_bytes(), policy=policy.default)
    assert mailed.get_all("Subject") == [message_of(batch.kind, " ".join(title.split()), batch.planned_start_at, at)]
    body: Any = mailed.get_body(("plain",))
    assert sentence.split() == body.get_content().splitlines()[2].split()

    posted = json.loads(json.dumps(payload(batch)))
    assert posted["data"]["texts"]["en"]["message"] == sentence


def without_isolates(text: str) -> str:
    return text.replace("\u2068", "").replace("\u2069", "")


def is_left_to_right(quoted: str, title: str) -> bool:
    """Whether the quoted title cannot reorder the text: no right-to-left character, or all in one isolate."""
    if all(unicodedata.bidirectional(sign) not in {"R", "AL", "AN", "RLI", "LRI", "FSI", "PDI", ""} for sign in title):
        return quoted == f"“{title}”"
    return quoted == f"“\u2068{title}\u2069”"


def assert_in_calendar(client: Any, stream_id: str, title: str) -> None:
    answer = client.get(f"{STREAMS}/{stream_id}/calendar.ics")
    (event,) = Calendar.from_ical(answer.content.decode()).walk("VEVENT")
    # The library reads a backslash before an N as a line break.
    if "\\" not in title:
        assert str(event["SUMMARY"]) == title


@tried(25)
@given(text=fitting)
def test_a_valid_text_is_accepted_in_every_normal_form(text: str, api: Api, creator: User) -> None:
    for form in ("NFC", "NFD"):
        sent = unicodedata.normalize(form, text)
        body = {"title": sent, "interest": sent[:50], "motivation": f"{sent}\r\n\t{sent}"}
        for kind in ("json", "multipart"):
            stream = data_of(api(creator).post(f"{STREAMS}/create", body, format=kind), 201)
            assert stream["title"] == stored(sent)
            assert stream["motivation"] == stored_lines(body["motivation"])
    LiveStream.all_objects.all().delete()


@tried(25)
@given(text=unfitting)
def test_an_invalid_text_is_refused_in_each_field_with_the_broken_rule(
    text: str, api: Api, creator: User, viewer: User
) -> None:
    client, stream = api(creator), make_stream(creator)
    ban = {"targetUserId": viewer.pk, "liveStreamId": stream.pk, "reason": text}
    for method, address, body, field, rules in (
        ("post", f"{STREAMS}/create", {"title": text}, "title", ONE_LINE_RULES),
        ("post", f"{STREAMS}/create", {"title": "a", "interest": text[-40:]}, "interest", ONE_LINE_RULES),
        ("post", f"{STREAMS}/create", {"title": "a", "motivation": text}, "motivation", MANY_LINES_RULES),
        ("patch", stream_url(stream), {"title": text}, "title", ONE_LINE_RULES),
        ("patch", stream_url(stream), {"motivation": text}, "motivation", MANY_LINES_RULES),
        ("post", BANS, ban, "reason", MANY_LINES_RULES),
        ("post", f"{BANS}/bulk", {"liveStreamId": stream.pk, "targets": ["viewer"], "reason": text}, "reason",
         MANY_LINES_RULES),
    ):  # fmt: skip
        assert_refused_by_a_rule(getattr(client, method)(address, body, format="json"), field, rules)
    assert LiveStream.objects.get(pk=stream.pk).title == stream.title
    LiveStream.all_objects.all().delete()


# --- names ----------------------------------------------------------------------------------------


@tried(30)
@given(name=st.one_of(fitting, anything), surname=st.one_of(fitting, anything))
@example(name="محمد", surname="विद्या")
@example(name="สวัสดี", surname="שָׁלוֹם")
@example(name="かぎ", surname="ΟΔΥΣΣΕΥΣ")
@example(name="\u202eada", surname="\u200b")
def test_a_name_of_the_identity_provider_is_returned_and_found_among_the_viewers(
    name: str, surname: str, api: Api, creator: User
) -> None:
    now = timezone.now()
    number = next(numbers)
    claims = {"iss": "https://id.example", "sub": f"s{number}", "preferred_username": f"person{number}"}
    user = user_of_identity(claims | {"given_name": name, "family_name": surname}, now=now)
    stream = make_stream(creator, Status.ACTIVE)
    admit(user, stream.pk, status="active", role="audience", restriction=None, now=now)

    viewers = data_of(api(creator).get(stream_url(stream, "viewers")))["list"]

    (shown,) = viewers
    if shown["name"] != stored(name):
        # It broke a rule and was cleaned, because its user cannot correct it.
        assert_refused_by_a_rule(
            api(creator).post(f"{STREAMS}/create", {"title": name}, format="json"), "title", ONE_LINE_RULES
        )
    for text in (shown["username"], shown["name"], shown["surname"]):
        assert_found(api(creator), stream_url(stream, "viewers"), text, user.pk, "_id")
    LiveStream.all_objects.filter(pk=stream.pk).delete()


# --- bans, appeals, export and import -------------------------------------------------------------


@tried(25)
@given(reason=st.one_of(fitting, anything))
@example(reason="a\r\nb\tc")
def test_a_reason_and_an_appeal_are_returned_unchanged(reason: str, api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    ban = {"targetUserId": viewer.pk, "liveStreamId": stream.pk, "reason": reason}
    answer = api(creator).post(BANS, ban, format="json")
    if answer.status_code != 201:
        assert_refused_by_a_rule(answer, "reason", MANY_LINES_RULES)
        held = make_ban(viewer, stream).pk
    else:
        assert data_of(answer, 201)["reason"] == stored_lines(reason)
        held = data_of(answer, 201)["_id"]

    appeal = api(viewer).post(f"{BANS}/{held}/appeal", {"text": reason}, format="json")

    if answer.status_code == 201:
        assert data_of(appeal, 201)["text"] == stored_lines(reason)
    else:
        assert_refused_by_a_rule(appeal, "text", MANY_LINES_RULES)
    LiveStreamBan.all_objects.all().delete()
    LiveStream.all_objects.all().delete()


@tried(15)
@given(reasons=st.lists(st.one_of(fitting, anything), min_size=1, max_size=6))
@example(reasons=["a\r\nb", "=1+1", '"', "\u2068a\u2069"])
def test_reasons_are_unchanged_after_import_export_and_import(
    reasons: list[str], api: Api, creator: User, tmp_path: Path
) -> None:
    people = [make_user(f"target{next(numbers)}") for _ in reasons]
    for form in ("csv", "ndjson"):
        first, second = make_stream(creator), make_stream(creator)
        rows = [
            {"liveStreamId": first.pk, "targetUserId": person.pk, "reason": reason}
            for person, reason in zip(people, reasons, strict=True)
        ]
        facts = imported(written(rows, form), form, tmp_path, creator)
        made = dict(LiveStreamBan.objects.filter(stream=first).values_list("target_id", "reason"))
        refused = {line["line"] for line in facts["refused_lines"]}
        assert len(made) + len(refused) == len(rows)
        for person, reason in zip(people, reasons, strict=True):
            if person.pk in made and reason:
                assert made[person.pk] == stored_lines(reason)
        for line in facts["refused_lines"]:
            assert line["reasons"][0].startswith(tuple(f"reason: {rule}" for rule in MANY_LINES_RULES)), line

        out = io.StringIO()
        call_command("export_bans", "--format", form, "--stream", first.pk, stdout=out, stderr=io.StringIO())
        again = imported(out.getvalue().replace(first.pk, second.pk), form, tmp_path, creator)

        assert (again["imported"], again["refused"]) == (len(made), 0)
        copied = dict(LiveStreamBan.objects.filter(stream=second).values_list("target_id", "reason"))
        assert copied == made


def written(rows: list[dict[str, str]], form: str) -> str:
    if form == "ndjson":
        return "".join(json.dumps(row) + "\n" for row in rows)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def imported(content: str, form: str, folder: Path, by: User) -> dict[str, Any]:
    file = folder / f"bans.{form}"
    file.write_bytes(content.encode())
    out = io.StringIO()
    with suppress(CommandError):  # raised for refused lines, which the assertions below check
        call_command("import_bans", str(file), "--json", "--by", by.username, stdout=out, stderr=io.StringIO())
    facts: dict[str, Any] = json.loads(out.getvalue())
    return facts


# --- the admin ------------------------------------------------------------------------------------


@tried(20)
@given(reason=st.one_of(fitting, anything), name=fitting)
def test_a_reason_given_in_the_admin_is_in_the_audit_trail_and_people_are_found_by_name(
    reason: str, name: str, viewer: User
) -> None:
    root, _ = User.objects.get_or_create(username="root", defaults={"is_staff": True, "is_superuser": True})
    client = Client()
    client.force_login(root)
    session_of(viewer)  # a session to end
    known = set(AuditEntry.objects.values_list("pk", flat=True))

    answer = client.post(action_url(viewer, "log_out"), {"reason": reason})

    made = AuditEntry.objects.exclude(pk__in=known)
    if answer.status_code == 302:
        assert [entry.reason for entry in made] == [stored_lines(reason)]
        assert client.get(f"{list_url(User)}{viewer.pk}/change/").status_code == 200
    else:
        assert answer.status_code == 200
        assert not made
        (error,) = answer.context["form"].errors["reason"]
        assert error.startswith((*MANY_LINES_RULES, "This field is required"))

    viewer.name = stored(name)
    viewer.save(update_fields=["name"])
    for part in in_every_case(beginning(viewer.name)):
        if folded(part):
            found = client.get(list_url(User), {"q": part}).context["cl"].result_list
            assert viewer.pk in [user.pk for user in found], ascii(part)
