"""Code samples of the playground are run against the server, and ids of answers are filled in."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from bans.models import LiveStreamBan
from livestreams.models import LiveStream
from tests.browser import OWED
from tests.conftest import PASSWORD
from tests.openapi.contents import Document
from tests.openapi.playground import Production, answer_of, choose, execute, log_in, opened, unfolded
from tests.patience import PATIENCE
from tests.streams import make_stream

pytestmark = OWED

CREATE = "POST /api/v1/live-stream/create"
LIST = "GET /api/v1/live-stream"
READ = "GET /api/v1/live-stream/{id}"
CALENDAR = "GET /api/v1/live-stream/{id}/calendar.ics"


def sample(block: Locator, language: str) -> str:
    block.locator(".sample").get_by_role("button", name=language, exact=True).click()
    return block.locator(".sample pre").inner_text()


def run(page: Page, language: str, code: str) -> str:
    """What the sample prints. TypeScript runs in the browser: it uses no syntax that JavaScript lacks."""
    if language == "TypeScript":
        with page.expect_console_message(lambda message: message.type == "log") as printed:
            page.evaluate(f"async () => {{ {code} }}")
        return json.dumps([each.json_value() for each in printed.value.args])
    command = ["bash", "-c", code] if language == "curl" else [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return ran.stdout


@pytest.mark.parametrize("language", ["curl", "Python", "TypeScript"])
def test_the_sample_of_a_read_a_change_and_a_calendar_can_be_run(
    page: Page, live_server: LiveServer, creator: User, language: str
) -> None:
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)

    block = unfolded(page, CREATE)
    created = run(page, language, sample(block, language))
    listed = run(page, language, sample(unfolded(page, LIST), language))
    stream = LiveStream.objects.get()
    assert str(stream.pk) in created
    assert str(stream.pk) in listed

    execute(block)
    expect(answer_of(block)).to_contain_text('"statusCode": 201')
    newest = LiveStream.objects.order_by("-id").first()
    calendar = run(page, language, sample(unfolded(page, CALENDAR), language))
    assert "BEGIN:VCALENDAR" in calendar
    assert newest is not None
    assert str(newest.pk) in calendar


@pytest.mark.parametrize("language", ["curl", "Python", "TypeScript"])
def test_a_sample_keeps_every_character_of_a_body(
    page: Page, live_server: LiveServer, creator: User, language: str
) -> None:
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    block = unfolded(page, CREATE)
    title = """Işık 'ın "gölgesi" \\ $HOME `x` ${y} %s"""
    block.locator("textarea").fill(json.dumps({"title": title, "plannedStartDate": None}, ensure_ascii=False))

    run(page, language, sample(block, language))

    assert LiveStream.objects.get().title == title


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_sample_of_an_upload_can_be_run(
    page: Page, live_server: LiveServer, creator: User, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream(creator)
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (640, 360), "navy").save("sky.png")
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    block = unfolded(page, "PUT /api/v1/live-stream/{id}/thumbnail")
    expect(block.locator(".sample pre")).to_contain_text(str(stream.pk))
    assert "thumbnail=@thumbnail.png" in sample(block, "curl")
    block.locator("input[type=file]").set_input_files("sky.png")

    run(page, language, sample(block, language))

    stream.refresh_from_db()
    assert stream.thumbnail


def test_a_sample_without_a_login_names_the_place_of_the_token(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server)

    assert "TOKEN='<access token>'" in sample(unfolded(page, "GET /api/v1/users/me"), "curl")
    assert "TOKEN" not in sample(unfolded(page, "POST /api/v1/auth/login"), "curl")


def test_ids_are_filled_in_before_the_first_answer_and_then_from_the_last_one(
    page: Page, live_server: LiveServer, creator: User
) -> None:
    stream = make_stream(creator)
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    block = unfolded(page, READ)
    field = block.locator('tr[data-param-name="id"] input')
    expect(field).to_have_value(str(stream.pk))
    execute(block)
    expect(answer_of(block)).to_contain_text('"statusCode": 200')

    created = unfolded(page, CREATE)
    execute(created)

    expect(answer_of(created)).to_contain_text('"statusCode": 201')
    newest = LiveStream.objects.latest("id")
    assert newest != stream
    expect(field).to_have_value(str(newest.pk))
    expect(block.locator(".sample pre")).to_contain_text(f"/live-stream/{newest.pk}")


def test_the_id_of_a_user_is_not_that_of_the_caller(
    page: Page, live_server: LiveServer, creator: User, viewer: User
) -> None:
    make_stream(creator)
    opened(page, live_server)
    log_in(page, viewer.username, PASSWORD)

    for operation in (LIST, "GET /api/v1/users/me"):
        asked = unfolded(page, operation)
        execute(asked)
        expect(answer_of(asked)).to_contain_text('"statusCode": 200')

    block = unfolded(page, "GET /api/v1/users/profile/{userId}")
    expect(block.locator('tr[data-param-name="userId"] input')).to_have_value(str(creator.pk))


def test_no_list_is_read_on_production_to_find_ids(page: Page, live_server: LiveServer, production: Production) -> None:
    opened(page, live_server)
    choose(page, "Production")
    page.locator("#pasting summary").click()
    page.locator("#token").fill("a token")
    page.keyboard.press("Enter")
    unfolded(page, READ)

    listing = unfolded(page, LIST)
    execute(listing)
    expect(answer_of(listing)).to_contain_text('"from": "production"')
    page.wait_for_timeout(500)  # for a list that the page would read after this answer

    assert [call.partition("?")[0] for call in production.calls] == [LIST]


def test_an_id_that_was_typed_stays(page: Page, live_server: LiveServer, creator: User) -> None:
    make_stream(creator)
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    block = unfolded(page, READ)
    typed = block.locator('tr[data-param-name="id"] input')
    typed.fill("673ac9e2c93fe18d3fdd23f1")

    listing = unfolded(page, LIST)
    execute(listing)

    expect(answer_of(listing)).to_contain_text('"statusCode": 200')
    expect(typed).to_have_value("673ac9e2c93fe18d3fdd23f1")


def test_a_ban_with_filled_in_ids_succeeds_as_it_stands(
    page: Page, live_server: LiveServer, creator: User, viewer: User
) -> None:
    stream = make_stream(creator)
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    execute(unfolded(page, LIST))
    profile = unfolded(page, "GET /api/v1/users/profile/username/{username}")
    profile.locator('tr[data-param-name="username"] input').fill(viewer.username)
    execute(profile)
    expect(answer_of(profile)).to_contain_text('"statusCode": 200')

    ban = unfolded(page, "POST /api/v1/live-stream-ban")
    expect(ban.locator("textarea")).to_have_value(re.compile(str(viewer.pk)))
    execute(ban)

    expect(answer_of(ban)).to_contain_text('"statusCode": 201')
    made = LiveStreamBan.objects.get()
    assert (made.target_id, made.stream_id) == (viewer.pk, stream.pk)


def test_the_lists_of_the_rules_exist(document: Document, settings: Any) -> None:
    for rule in settings.PLAYGROUND["ids"].values():
        for address in rule.get("lists", []):
            assert "get" in document["paths"][address.partition("?")[0]]


def test_every_path_parameter_has_a_rule(document: Document, settings: Any) -> None:
    rules = settings.PLAYGROUND["ids"]
    by_key = {key: name for name, rule in rules.items() for key in rule["keys"]}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter.get("in") == "path":
                    name = parameter["name"]
                    parts = path.split("/")
                    rule = parts[parts.index("{id}") - 1] if name == "id" else by_key.get(name, name)
                    assert rule in rules, f"config/playground.py has no rule for {name} of {path}"
