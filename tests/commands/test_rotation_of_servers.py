"""A rotation of both keys on two servers under load, as docs/keys.md describes it."""

import json
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db.models import F
from django.test import Client

from accounts import tokens
from accounts.models import User
from common.models import AuditEntry, KeyUse, LastingKey
from edges.models import JoinKey
from reminders.channels.email import unsubscribe_address
from tests.commands.conftest import Run
from tests.commands.rotating import Hosts, RefreshingClient, calling, one_at_a_time
from tests.conftest import session_of, token_of
from tests.servers import UNLIMITED, running_server
from tests.streams import make_stream, stream_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]

NAMES = ("SECRET_KEY", "JWT_SIGNING_KEY")
OLD = {
    "SECRET_KEY": "q8Zr2vN5xLw0TbY7cHj4KmP1sDf6GuE9aRiXoWnBtVzJyQhMlC",
    "JWT_SIGNING_KEY": "U3eK8pXy5RwZ1tNc7LqV0bHsMj4GdF9oAiT6nQzBrWm2YvElDkJx",
}
NEW = {
    "SECRET_KEY": "Lq0mVx7Ra2TzWc9YeK4uHs6NbJ1dGpF8oXi5QwEvCnZtBy3MrSgD",
    "JWT_SIGNING_KEY": "w6TnBz1YcRk9Qm4XvHs0JdGe8LpUa3WoFi7ZtNrVbEy5CxKqMhSj",
}


def environment(keys: dict[str, str], others: dict[str, str] | None = None) -> dict[str, str]:
    fallbacks = {f"{name}_FALLBACKS": others[name] if others else "" for name in NAMES}
    return UNLIMITED | keys | fallbacks


@pytest.fixture
def rotate(run: Run) -> Any:
    """Runs `rotate_keys` with the keys of one host. Returns its facts; each key must be at that stage."""

    def finish(stage: str, place: dict[str, str], *words: str) -> dict[str, Any]:
        finished = run("rotate_keys", "--json", *words, **place)
        assert finished.returncode == 0, finished.stderr
        facts: dict[str, Any] = json.loads(finished.stdout)
        assert {name: key["stage"] for name, key in facts["keys"].items()} == dict.fromkeys(NAMES, stage)
        return facts

    return finish


def test_no_call_is_refused_and_no_link_ends_while_all_keys_are_rotated(
    creator: User, viewer: User, moderator: User, now: datetime, settings: Any, rotate: Any
) -> None:
    settings.SECRET_KEY, settings.JWT_SIGNING_KEY = OLD["SECRET_KEY"], OLD["JWT_SIGNING_KEY"]
    stream, planned = make_stream(creator, "active"), make_stream(viewer)
    access, session = token_of(viewer), session_of(creator)
    link = urlsplit(unsubscribe_address(viewer.pk)).path
    staff = Client()
    staff.force_login(moderator)
    cookie = f"sessionid={staff.cookies['sessionid'].value}"
    edit = {"token": access, "body": {"durationGoal": 60}, "Idempotency_Key": "of-this-rotation"}
    calls: dict[str, Any] = {
        "access token": lambda hosts: hosts.call("GET", "/api/v1/users/me", token=access),
        "refresh": RefreshingClient(str(tokens.RefreshToken.of(session, now=now))),
        "join": lambda hosts: hosts.call(
            "POST", "/api/v1/live-stream/join", token=access, body={"liveStreamId": stream.pk}
        ),
        "repeat": one_at_a_time(lambda hosts: hosts.call("PATCH", stream_url(planned), **edit)),
        "unsubscribe": lambda hosts: hosts.call("GET", link),
        "admin": lambda hosts: hosts.call("GET", "/admin/password_change/", Cookie=cookie),
    }
    with ExitStack() as stack:
        hosts = Hosts(stack)
        for name in ("one", "two"):
            hosts.restart(name, environment(OLD))
        with calling(hosts, calls) as clients:
            clients.wait_for_some()
            for place, meanwhile, then in (
                (environment(OLD, NEW), "adding", "accepted"),
                (environment(NEW, OLD), "switching", "signing"),
            ):
                hosts.restart("one", place)
                clients.wait_for_some()
                facts = rotate(meanwhile, place)
                assert any("(serve)" in label for label in facts["keys"]["SECRET_KEY"]["behind"])
                hosts.restart("two", place)
                clients.wait_for_some()
                facts = rotate(then, place, "--dry-run")
            assert facts["waiting"] > 0
            facts = rotate("signing", place)
            assert (facts["waiting"], facts["links_kept"]) == (0, 1)
            assert facts["encrypted_again"] >= 1
            clients.wait_for_some()

            KeyUse.objects.update(last_signed_at=F("last_signed_at") - timedelta(days=31))  # as 31 days later
            rotate("removable", place)
            # What is left of the old keys has expired after these days.
            for name in ("access token", "admin", "join", "repeat"):
                del clients.calls[name]
            hosts.restart("one", environment(NEW))
            clients.wait_for_some()
            hosts.restart("two", environment(NEW))
            clients.wait_for_some()
            facts = rotate("settled", environment(NEW))
        after = hosts.call("POST", "/api/v1/live-stream/join", token=access, body={"liveStreamId": stream.pk})

    assert clients.refused == []
    assert after.status == 401  # the old key verifies nothing any more
    assert JoinKey.objects.count() == 1
    assert LastingKey.objects.count() == 1
    entry = AuditEntry.objects.get(action="rotate_keys")
    assert entry.after["signs"] == facts["keys"]["SECRET_KEY"]["signs"]


def test_two_hosts_with_different_keys_are_found_by_doctor_and_rotate_keys(creator: User, run: Run) -> None:
    with running_server(workers=1, **environment(OLD)), running_server(workers=1, **environment(NEW)):
        examined = run("doctor", "--json", **environment(OLD))
        rotated = run("rotate_keys", **environment(OLD))

    found = [finding for finding in json.loads(examined.stdout)["findings"] if finding["code"] == "keys_differ"]
    assert examined.returncode == rotated.returncode == 1
    assert {name for name in NAMES for finding in found if f"use a {name} that" in finding["meaning"]} == set(NAMES)
    assert "they refuse what the others signed" in rotated.stderr
    for secret in (*OLD.values(), *NEW.values()):
        assert secret not in examined.stdout + examined.stderr + rotated.stdout + rotated.stderr
