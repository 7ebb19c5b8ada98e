"""Multipart bodies: limited in parts and bytes before they are parsed, by the API and by the admin."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from common.pictures import process
from common.uploads import MOST_PARTS
from livestreams.models import LiveStream
from tests import hostile_forms
from tests.conftest import Api
from tests.envelope import assert_refused
from tests.hostile_forms import CONTENT_TYPE, form
from tests.hostile_pictures import small_png

CREATE = "/api/v1/live-stream/create"


def field(name: str, text: str = "Talk") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode()


def file(name: str, content: bytes) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"; filename="x.png"\r\n\r\n'.encode() + content


def seconds(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result of `call`, and the CPU time of this thread."""
    begun = time.thread_time()
    return call(), time.thread_time() - begun


@pytest.mark.parametrize("name", hostile_forms.HOSTILE)
def test_a_hostile_form_is_refused_quickly(name: str, api: Api, creator: User) -> None:
    body, speaking = hostile_forms.HOSTILE[name](), api(creator)

    answer, spent = seconds(lambda: speaking.post(CREATE, body, content_type=CONTENT_TYPE))

    assert answer.status_code == 400
    assert_refused(answer, 400, answer.headers["X-Error-Code"])
    assert answer.headers["X-Error-Code"] in {"malformed_request", "validation_failed"}
    assert spent < 0.5
    assert not LiveStream.all_objects.exists()


@pytest.mark.parametrize("name", hostile_forms.HOSTILE)
def test_the_forms_of_the_admin_are_bounded_before_a_login(name: str, db: None) -> None:
    # The CSRF check reads the form of anybody who sends a cookie.
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies["csrftoken"] = "x" * 32
    body = hostile_forms.HOSTILE[name]()

    answer, spent = seconds(lambda: client.post("/admin/login/", body, content_type=CONTENT_TYPE))

    assert answer.status_code in {400, 403}
    assert spent < 0.5


def test_a_form_of_more_bytes_than_the_limit_is_not_read_by_the_admin(db: None, settings: Any) -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies["csrftoken"] = "x" * 32
    body = form(file("photo", b"\0" * settings.UPLOAD_BODY_LIMIT))

    answer, spent = seconds(lambda: client.post("/admin/login/", body, content_type=CONTENT_TYPE))

    assert answer.status_code in {400, 413}
    assert spent < 0.5


def test_as_many_parts_as_are_allowed_are_read_and_one_more_is_refused(api: Api, creator: User) -> None:
    speaking = api(creator)
    allowed = form(*[field("title")] * MOST_PARTS)
    more = form(*[field("title")] * (MOST_PARTS + 1))

    # Parsed, and then refused as unknown fields.
    refused = speaking.post(CREATE, allowed, content_type=CONTENT_TYPE)
    assert_refused(refused, 400, "validation_failed", "title: must not be repeated")
    assert_refused(
        speaking.post(CREATE, more, content_type=CONTENT_TYPE),
        400,
        "malformed_request",
        "body: is not multipart/form-data: more than 100 parts",
    )


def test_more_than_one_file_costs_no_decoding(api: Api, creator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    run, calls = process._run, list[bytes]()

    def counted(content: bytes, order: dict[str, object]) -> bytes:
        calls.append(content)
        return run(content, order)

    monkeypatch.setattr(process, "_run", counted)
    body = form(field("title"), *[file("thumbnail", small_png())] * 5)

    refused = api(creator).post(CREATE, body, content_type=CONTENT_TYPE)

    assert_refused(refused, 400, "validation_failed", "thumbnail: must not be repeated")
    assert calls == []


def test_a_file_instead_of_a_text_is_refused(api: Api, creator: User) -> None:
    body = form(file("title", small_png()))

    assert_refused(
        api(creator).post(CREATE, body, content_type=CONTENT_TYPE), 400, "validation_failed", "title: must be text"
    )


def test_more_files_than_the_limit_are_refused(api: Api, creator: User) -> None:
    body = form(field("title"), *[file("thumbnail", b"x")] * 11)

    assert_refused(api(creator).post(CREATE, body, content_type=CONTENT_TYPE), 400, "malformed_request")


def test_a_header_of_a_part_that_is_too_long_is_refused(api: Api, creator: User) -> None:
    body = form(b'Content-Disposition: form-data; name="' + b"x" * 5_000 + b'"\r\n\r\nTalk')

    assert_refused(api(creator).post(CREATE, body, content_type=CONTENT_TYPE), 400, "malformed_request")
