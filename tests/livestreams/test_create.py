"""POST /api/v1/live-stream/create"""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone
from PIL import Image

from accounts.models import User
from common.models import AuditEntry
from livestreams.models import LiveStream
from livestreams.services import planning
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream

CREATE = "/api/v1/live-stream/create"


def picture(format: str = "PNG", size: tuple[int, int] = (64, 48)) -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, format)
    file.seek(0)
    file.name = f"picture.{format.lower()}"
    return file


def in_an_hour() -> str:
    return (timezone.now() + timedelta(hours=1)).isoformat()


def test_a_title_alone_makes_a_preparing_solo_stream(api: Api, creator: User) -> None:
    data = data_of(api(creator).post(CREATE, {"title": "Evening talk"}), 201)

    assert list(data) == [
        "id", "title", "liveStreamType", "channelName", "creator", "guests", "broadcasters", "thumbnailUrl",
        "status", "accessType", "price", "interest", "durationGoal", "motivation", "plannedStartDate",
        "plannedEndDate", "startedAt", "endedAt", "guestStatus", "role", "deletedAt", "deletedBy", "createdAt",
        "updatedAt",
    ]  # fmt: skip
    assert data["status"] == "preparing"
    assert data["liveStreamType"] == "solo"
    assert data["accessType"] == "free"
    assert data["price"] is None
    assert data["creator"]["_id"] == creator.pk
    assert data["guests"] == []
    assert data["guestStatus"] is None
    assert data["broadcasters"] == [{"user": data["creator"], "role": "host"}]
    assert data["role"] == "host"
    assert data["thumbnailUrl"].endswith("/static/livestreams/default-thumbnail.webp")


def test_every_field_that_is_sent_is_returned(api: Api, creator: User, guest: User) -> None:
    sent = {
        "title": "Duo",
        "liveStreamType": "duoself",
        "guests": [guest.pk],
        "price": 49.9,
        "interest": "music",
        "durationGoal": 90,
        "motivation": "Because.",
        "plannedStartDate": "2031-05-01T20:00:00.000+03:00",
    }

    data = data_of(api(creator).post(CREATE, sent), 201)

    assert data["status"] == "scheduled"
    assert data["accessType"] == "paid"
    assert data["plannedStartDate"] == "2031-05-01T17:00:00.000Z"
    assert data["plannedEndDate"] == "2031-05-01T18:30:00.000Z"
    assert [user["_id"] for user in data["guests"]] == [guest.pk]
    assert [part["role"] for part in data["broadcasters"]] == ["host", "guest"]
    assert data["guestStatus"] == "invited"
    assert {
        name: data[name] for name in ("title", "liveStreamType", "price", "interest", "durationGoal", "motivation")
    } == {name: sent[name] for name in ("title", "liveStreamType", "price", "interest", "durationGoal", "motivation")}


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Işık ve Gölge: Çağdaş Öykü", "isik-ve-golge-cagdas-oyku"),
        ("İSTANBUL'un ŞĞÜ'sü", "istanbul-un-sgu-su"),
        ("  Café  déjà-vu! ", "cafe-deja-vu"),
        ("你好", "stream"),
    ],
)
def test_the_channel_name_is_the_title_folded_to_ascii_and_four_random_characters(
    title: str, slug: str, api: Api, creator: User
) -> None:
    name = data_of(api(creator).post(CREATE, {"title": title}), 201)["channelName"]

    assert name[:-5] == slug
    assert name[-5] == "-"
    assert name[-4:].isalnum()
    assert name == name.lower()


def test_a_price_of_zero_is_free(api: Api, creator: User) -> None:
    data = data_of(api(creator).post(CREATE, {"title": "Talk", "price": 0}), 201)

    assert (data["price"], data["accessType"]) == (None, "free")


def test_a_creation_leaves_one_audit_row(api: Api, creator: User) -> None:
    speaking = api(creator)
    before = AuditEntry.objects.count()

    data = data_of(speaking.post(CREATE, {"title": "Talk"}, HTTP_X_REQUEST_ID="from-my-phone-1"), 201)

    assert AuditEntry.objects.count() == before + 1
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.target_id, entry.actor_id, entry.entry_point, entry.request_id) == (
        "create_stream",
        data["id"],
        creator.pk,
        "api",
        "from-my-phone-1",
    )


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no title": ({}, "title: is required"),
    "null title": ({"title": None}, "title: must not be null"),
    "empty title": ({"title": "  "}, "title: must not be empty"),
    "long title": ({"title": "x" * 141}, "title: must have at most 140 characters"),
    "number for a title": ({"title": 7}, "title: must be text"),
    "unknown type": ({"liveStreamType": "trio"}, "liveStreamType: must be one of solo, duocrowd, duoself"),
    "goal of nothing": ({"durationGoal": 0}, "durationGoal: must be between 1 and 1440"),
    "goal of too much": ({"durationGoal": 1441}, "durationGoal: must be between 1 and 1440"),
    "goal as text": ({"durationGoal": "60"}, "durationGoal: must be a whole number"),
    "goal of a half": ({"durationGoal": 1.5}, "durationGoal: must be a whole number"),
    "goal that is true": ({"durationGoal": True}, "durationGoal: must be a whole number"),
    "negative price": ({"price": -1}, "price: must be between 0 and 99999999"),
    "price of tenths of cents": ({"price": 1.999}, "price: must have at most two decimals"),
    "price as text": ({"price": "9"}, "price: must be a number"),
    "past start": (
        {"plannedStartDate": "2020-01-01T00:00:00.000Z"},
        "plannedStartDate: must lie in the future",
    ),
    "start in an age to come": (
        {"plannedStartDate": "9999-12-31T23:59:59Z", "durationGoal": 1},
        "plannedStartDate: must lie before the year 2100",
    ),
    "start beyond all calendars": (
        {"plannedStartDate": "9999-12-31T23:59:59-14:00"},
        "plannedStartDate: must be an ISO 8601 time with a time zone, such as 2026-01-15T10:30:00.000Z",
    ),
    "start without zone": (
        {"plannedStartDate": "2031-01-01T00:00:00"},
        "plannedStartDate: must be an ISO 8601 time with a time zone, such as 2026-01-15T10:30:00.000Z",
    ),
    "guests as text": ({"guests": "x"}, "guests: must be a list"),
    "a guest that is no id": ({"guests": ["x"]}, "guests.0: must be 24 lower-case hexadecimal characters"),
    "two guests": ({"guests": ["0" * 24, "1" * 24]}, "guests: must have at most one id"),
    "a solo with a guest": ({"guests": ["0" * 24]}, "guests: a solo stream has none"),
    "a duo without one": ({"liveStreamType": "duocrowd"}, "guests: a duo stream has exactly one"),
    "an unknown guest": (
        {"liveStreamType": "duocrowd", "guests": ["0" * 24]},
        f"guests: there is no user with the id {'0' * 24}",
    ),
    "long motivation": ({"motivation": "x" * 1001}, "motivation: must have at most 1000 characters"),
    "a thumbnail in JSON": ({"thumbnail": "x"}, "thumbnail: must be a file, sent as multipart/form-data"),
}


@pytest.mark.parametrize(("sent", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_input_names_the_field_and_the_rule_and_changes_nothing(
    sent: dict[str, Any], reason: str, api: Api, creator: User
) -> None:
    title = {} if reason == "title: is required" else {"title": "Talk"}

    response = api(creator).post(CREATE, title | sent)

    assert_refused(response, 400, "validation_failed", reason)
    assert not LiveStream.all_objects.exists()


def test_the_creator_cannot_be_the_guest(api: Api, creator: User) -> None:
    response = api(creator).post(CREATE, {"title": "T", "liveStreamType": "duocrowd", "guests": [creator.pk]})

    assert_refused(response, 400, "validation_failed", "guests: the creator cannot be the guest")


def test_all_errors_are_reported_in_one_response(api: Api, creator: User) -> None:
    response = api(creator).post(CREATE, {"title": "", "durationGoal": 0})

    assert_refused(
        response,
        400,
        "validation_failed",
        "title: must not be empty",
        "durationGoal: must be between 1 and 1440",
    )


def test_reasons_are_translated_and_the_title_of_the_status_is_not(api: Api, creator: User) -> None:
    response = api(creator).post(CREATE, {"durationGoal": 0}, HTTP_X_LANGUAGE="tr")

    assert_refused(
        response, 400, "validation_failed", "title: zorunludur", "durationGoal: 1 ile 1440 arasında olmalıdır"
    )


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_thumbnail_is_re_encoded_as_webp_and_stored(format: str, api: Api, creator: User, settings: Any) -> None:
    sent = {
        "title": "Talk",
        "thumbnail": picture(format),
        "durationGoal": "60",
        "plannedStartDate": in_an_hour(),
    }

    data = data_of(api(creator).post(CREATE, sent, format="multipart"), 201)

    file = Path(settings.MEDIA_ROOT) / data["thumbnailUrl"].removeprefix(settings.MEDIA_URL)
    with Image.open(file) as stored:
        assert (stored.format, stored.size) == ("WEBP", (64, 48))
    assert (data["durationGoal"], data["status"]) == (60, "scheduled")


def test_empty_form_fields_count_as_absent(api: Api, creator: User) -> None:
    sent = {"title": "Talk", "price": "", "durationGoal": "", "interest": "", "guests": "", "plannedStartDate": ""}

    data = data_of(api(creator).post(CREATE, sent, format="multipart"), 201)

    assert (data["status"], data["price"], data["durationGoal"], data["interest"]) == ("preparing", None, None, None)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a not a picture that we take", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_a_file_that_is_not_a_picture_is_refused_by_its_content(
    content: bytes, api: Api, creator: User, settings: Any
) -> None:
    file = io.BytesIO(content)
    file.name = "picture.png"

    response = api(creator).post(CREATE, {"title": "Talk", "thumbnail": file}, format="multipart")

    assert response.status_code == 400
    assert response.json()["errors"][1].startswith("thumbnail: ")
    assert not Path(settings.MEDIA_ROOT).exists()
    assert not LiveStream.all_objects.exists()


def test_a_picture_of_more_than_five_megabytes_is_refused(api: Api, creator: User) -> None:
    file = io.BytesIO(picture().getvalue() + b"\0" * 5 * 1024 * 1024)
    file.name = "picture.png"

    response = api(creator).post(CREATE, {"title": "Talk", "thumbnail": file}, format="multipart")

    assert_refused(response, 400, "validation_failed", "thumbnail: must be at most 5242880 bytes")


def test_the_thumbnail_of_a_refused_stream_is_deleted(api: Api, creator: User, settings: Any) -> None:
    sent = {"title": "Talk", "liveStreamType": "duocrowd", "thumbnail": picture()}

    response = api(creator).post(CREATE, sent, format="multipart")

    assert_refused(response, 400, "validation_failed", "guests: a duo stream has exactly one")
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_creating_needs_a_token(api: Api) -> None:
    assert_refused(api().post(CREATE, {"title": "Talk"}), 401, "authentication_required")


def test_a_stream_whose_channel_name_is_taken_gets_another_one(
    creator: User, guest: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = make_stream(creator).channel_name
    names = iter([taken] * (planning.CHANNEL_NAME_TRIES - 1) + ["evening-talk-free"])
    monkeypatch.setattr(planning, "new_channel_name", lambda title: next(names))

    made = make_stream(guest)

    assert LiveStream.objects.get(pk=made.pk).channel_name == "evening-talk-free"
    assert list(names) == []


def test_a_stream_is_not_created_when_every_channel_name_is_taken(
    creator: User, guest: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = make_stream(creator).channel_name
    before = AuditEntry.objects.count()
    monkeypatch.setattr(planning, "new_channel_name", lambda title: taken)

    with pytest.raises(IntegrityError, match="channel_name"):
        make_stream(guest)

    assert LiveStream.objects.count() == 1
    assert AuditEntry.objects.count() == before
