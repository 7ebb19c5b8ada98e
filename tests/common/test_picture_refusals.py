"""Answers of the API and messages of the admin when a picture is refused."""

import io
from typing import Any

import pytest

from accounts.models import User
from common.pictures import process
from tests import hostile_pictures
from tests.admin.pages import action_url
from tests.conftest import Api
from tests.envelope import assert_refused


def picture(content: bytes) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = "picture.png"
    return file


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """No slot is free."""
    slots = process.Slots(1)
    slots._free.acquire()
    monkeypatch.setattr(process, "slots", slots)
    monkeypatch.setattr(process, "WAIT_SECONDS", 0.01)


def test_the_api_answers_with_503_when_all_slots_are_taken(
    api: Api, creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(monkeypatch)

    sent = {"title": "Talk", "thumbnail": picture(hostile_pictures.small_png())}
    answer = api(creator).post("/api/v1/live-stream/create", sent, format="multipart")

    assert_refused(answer, 503, "picture_slots_full", "too many pictures are being processed; try again shortly")
    assert answer.headers["Retry-After"] == "5"


def test_the_api_names_the_field_and_the_rule(api: Api, creator: User) -> None:
    sent = {"title": "Talk", "thumbnail": picture(hostile_pictures.huge_webp())}
    answer = api(creator).post("/api/v1/live-stream/create", sent, format="multipart")

    assert_refused(answer, 400, "validation_failed", "thumbnail: must have no side longer than 12000 pixels")


def test_the_admin_form_shows_an_error_when_all_slots_are_taken(
    client: Any, creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(monkeypatch)
    boss = User.objects.create_superuser("boss", "boss")
    client.force_login(boss)

    answer = client.post(
        action_url(creator, "set_profile_photo"),
        {"photo": picture(hostile_pictures.small_png())},
        headers={"Accept-Language": "en"},
    )

    assert answer.status_code == 200
    assert "too many pictures are being processed; try again shortly" in answer.content.decode()
    creator.refresh_from_db()
    assert creator.profile_photo is None
