"""The address of the client in audit rows."""

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from common import audit
from common.addresses import HASH_PREFIX, hashed, networks
from common.entry_points import EntryPoint, called_through
from common.models import AuditEntry
from tests.conftest import Api, make_user

CALENDAR = "/api/v1/live-stream/my-calendar"
FORGED = "203.0.113.5"


def newest() -> str:
    return AuditEntry.objects.latest("pk").client_address


def changed(client: APIClient, **meta: Any) -> str:
    assert client.post(CALENDAR, **meta).status_code in {200, 201}
    return newest()


def test_it_is_the_peer_and_not_what_the_client_says(api: Api, viewer: User) -> None:
    assert changed(api(viewer), REMOTE_ADDR="198.51.100.4", HTTP_X_FORWARDED_FOR=FORGED) == "198.51.100.4"


def test_behind_trusted_proxies_it_is_the_first_address_that_is_none_of_them(
    api: Api, viewer: User, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = networks(["192.0.2.0/24"])
    forwarded = f"{FORGED}, 2001:db8::1, 192.0.2.9"
    assert changed(api(viewer), REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR=forwarded) == "2001:db8::1"


def test_it_can_be_hashed_with_a_key_or_left_out(api: Api, viewer: User, settings: Any) -> None:
    client = api(viewer)
    settings.AUDIT_CLIENT_ADDRESS = "hashed"
    here = changed(client, REMOTE_ADDR="198.51.100.4")
    assert here == hashed("198.51.100.4")
    assert here.startswith(HASH_PREFIX)
    assert changed(client, REMOTE_ADDR="198.51.100.5") != here
    settings.SECRET_KEY = "another key, with which nobody can compute the first hash"
    assert hashed("198.51.100.4") != here
    settings.AUDIT_CLIENT_ADDRESS = "none"
    assert changed(api(viewer), REMOTE_ADDR="198.51.100.4") == ""


def test_what_no_request_causes_has_none(viewer: User) -> None:
    for point in (EntryPoint.COMMAND, EntryPoint.TASK):
        with called_through(point, "job-1"):
            audit.record("edit_user", viewer, by=None, now=timezone.now(), before={}, after={})
        assert newest() == ""


def test_changes_of_many_rows_have_it_too(viewer: User) -> None:
    changes: list[audit.Change] = [(viewer, {}, {}), (make_user("second"), {}, {})]
    with called_through(EntryPoint.API, "request-1", {"REMOTE_ADDR": "198.51.100.4"}):
        audit.record_many("edit_user", changes, by=None, now=timezone.now())
    assert set(AuditEntry.objects.values_list("client_address", flat=True)) == {"198.51.100.4"}


@pytest.mark.django_db
def test_a_server_of_the_version_before_writes_rows_without_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO common_auditentry (at, entry_point, actor_name, action, target_type, target_id, before, after,
                reason, request_id)
            VALUES (now(), 'task', '', 'edit_stream', 'livestream', %s, '{}', '{}', '', '')
            """,
            [bytes(12)],
        )
    assert newest() == ""


@pytest.mark.django_db(transaction=True)
def test_the_column_is_added_without_writing_the_rows_of_any_month() -> None:
    """The files of a table are others after its rows were written again."""
    files = "SELECT relid::regclass::text, pg_relation_filenode(relid) FROM pg_partition_tree('common_auditentry')"
    with connection.cursor() as cursor:
        cursor.execute(files)
        before = dict(cursor.fetchall())
        try:
            cursor.execute("ALTER TABLE common_auditentry DROP COLUMN client_address")
            cursor.execute("ALTER TABLE common_auditentry ADD COLUMN client_address varchar(64) DEFAULT '' NOT NULL")
            cursor.execute(files)
            assert dict(cursor.fetchall()) == before
            assert len(before) > 3
        finally:
            cursor.execute(
                "ALTER TABLE common_auditentry ADD COLUMN IF NOT EXISTS client_address varchar(64) DEFAULT '' NOT NULL"
            )
