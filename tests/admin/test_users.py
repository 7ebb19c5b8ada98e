"""Accounts in the admin: search, profile photos, sessions."""

import io

import pytest
from django.test import Client
from PIL import Image

from accounts.models import User
from common.models import AuditEntry
from tests.admin.conftest import Office
from tests.admin.pages import action_url, change_many, list_url, page_url, text_of
from tests.conftest import Api


def picture() -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    file.seek(0)
    file.name = "picture.png"
    return file


@pytest.mark.parametrize("wanted", ["crea", "YILMAZ", "Ayşe Yılmaz"])
def test_a_user_is_found_by_username_or_name(
    wanted: str, office: Office, reader: User, creator: User, guest: User
) -> None:
    found = office(reader).get(list_url(User), {"q": wanted})
    assert [user.pk for user in found.context["cl"].result_list] == [creator.pk]


def test_the_password_is_not_shown(office: Office, reader: User, creator: User) -> None:
    page = office(reader).get(page_url(creator)).content.decode()
    assert creator.password not in page


def test_a_photo_is_set_through_the_service(office: Office, moderator: User, creator: User) -> None:
    client = office(moderator)

    answer = client.post(action_url(creator, "set_profile_photo"), {"photo": picture()})

    assert answer.headers["Location"] == page_url(creator)
    creator.refresh_from_db()
    assert creator.profile_photo is not None
    entry = AuditEntry.objects.get(target_id=creator.pk, action="set_profile_photo")
    assert (entry.entry_point, entry.actor_id) == ("admin", moderator.pk)
    assert client.get(list_url(User)).content.decode().count(creator.profile_photo.variants["40"]) == 1


def test_a_file_that_is_no_picture_is_refused_at_its_field(office: Office, moderator: User, creator: User) -> None:
    file = io.BytesIO(b"no picture")
    file.name = "picture.png"

    answer = office(moderator).post(action_url(creator, "set_profile_photo"), {"photo": file})

    assert answer.status_code == 200
    assert "must be a JPEG, PNG or WebP picture" in text_of(answer)
    creator.refresh_from_db()
    assert creator.profile_photo is None


def test_no_photo_at_all_is_refused(office: Office, moderator: User, creator: User) -> None:
    answer = office(moderator).post(action_url(creator, "set_profile_photo"), {})
    assert "This field is required." in text_of(answer)


@pytest.mark.parametrize("who", ["reader", "nobody"])
def test_a_photo_needs_the_permission(who: str, office: Office, reader: User, client: Client, creator: User) -> None:
    client = office(reader) if who == "reader" else client
    answer = client.post(action_url(creator, "set_profile_photo"), {"photo": picture()})
    assert answer.status_code == (403 if who == "reader" else 302)
    creator.refresh_from_db()
    assert creator.profile_photo is None


@pytest.mark.parametrize("many", [False, True])
def test_ending_the_sessions_of_a_user_invalidates_the_tokens_and_records_the_moderator(
    many: bool, office: Office, moderator: User, creator: User, api: Api
) -> None:
    speaking, client = api(creator), office(moderator)
    assert speaking.get("/api/v1/users/me").status_code == 200

    if many:
        change_many(client, "log_out", [creator], confirmed="yes", reason="Account was stolen.")
    else:
        client.post(action_url(creator, "log_out"), {"reason": "Account was stolen."})

    assert speaking.get("/api/v1/users/me").status_code == 401
    entry = AuditEntry.objects.get(target_id=creator.pk, action="log_out")
    assert (entry.entry_point, entry.actor_id, entry.reason) == ("admin", moderator.pk, "Account was stolen.")
    assert entry.after == {"ended_sessions": 1}


@pytest.mark.parametrize("many", [False, True])
def test_ending_sessions_needs_the_permission(
    many: bool, office: Office, reader: User, creator: User, api: Api
) -> None:
    speaking, client = api(creator), office(reader)

    if many:
        answer = change_many(client, "log_out", [creator], confirmed="yes", reason="Crafted.")
    else:
        answer = client.post(action_url(creator, "log_out"), {"reason": "Crafted."})

    assert answer.status_code == 403
    assert speaking.get("/api/v1/users/me").status_code == 200
