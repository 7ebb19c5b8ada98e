"""GET /api/v1/live-stream-ban/check/{targetUserId}"""

import time
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.reads import CHECK
from livestreams.models import LiveStream
from tests.bans.people import BANS, check_url, lapsed_ban, make_ban, permitted
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream
from tests.test_statements import statements


def test_for_a_banned_person_the_answer_contains_the_ban(
    api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    ban = make_ban(viewer, stream, action_type="CHAT_ONLY", reason="spam")

    data = data_of(api(creator).get(check_url(viewer, stream)))

    assert data["isBanned"] is True
    assert data["ban"]["_id"] == ban.pk
    assert data["ban"]["targetUser"]["username"] == "viewer"
    assert data["ban"]["reason"] == "spam"


def test_bans_of_others_on_other_streams_and_in_the_past_do_not_count(
    api: Api, creator: User, viewer: User, stranger: User, stream: LiveStream
) -> None:
    make_ban(stranger, stream)
    make_ban(viewer, make_stream(creator))
    lapsed_ban(viewer, stream)

    assert data_of(api(creator).get(check_url(viewer, stream))) == {"isBanned": False, "ban": None}


def test_a_ban_that_is_lifted_between_the_two_statements_does_not_count(
    api: Api, creator: User, viewer: User, stream: LiveStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    ban = make_ban(viewer, stream)
    rows = CHECK.rows

    def rows_then_lift(**given: Any) -> list[list[Any]]:
        found = rows(**given)
        services.lift_ban(ban.pk, by=creator, now=timezone.now())
        return found

    monkeypatch.setattr(CHECK, "rows", rows_then_lift)

    assert data_of(api(creator).get(check_url(viewer, stream))) == {"isBanned": False, "ban": None}


def test_the_creator_a_moderator_the_person_and_service_accounts_may_check(
    api: Api, creator: User, viewer: User, guest: User, stranger: User, stream: LiveStream
) -> None:
    for asking in (creator, viewer, permitted("mod", "moderate"), permitted("chat-server", "enforce")):
        data_of(api(asking).get(check_url(viewer, stream)))
    for other in (guest, stranger):
        assert_refused(api(other).get(check_url(viewer, stream)), 403, "not_concerned_by_ban")


def test_missing_malformed_and_unknown_ids(api: Api, creator: User, viewer: User, stream: LiveStream) -> None:
    client = api(creator)

    missing = client.get(f"{BANS}/check/{viewer.pk}")
    assert_refused(missing, 400, "validation_failed", "liveStreamId: is required")
    malformed = client.get(f"{BANS}/check/x?liveStreamId={stream.pk}")
    assert_refused(malformed, 400, "validation_failed", "targetUserId: must be 24 lower-case hexadecimal characters")
    unknown = client.get(f"{BANS}/check/{viewer.pk}?liveStreamId={'0' * 24}")
    assert_refused(unknown, 404, "stream_not_found")


def test_a_check_runs_two_statements_and_a_third_to_read_the_ban_that_it_found(
    api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    client = api(creator)

    assert len(statements(lambda: client.get(check_url(viewer, stream)))) == 2
    make_ban(viewer, stream)
    assert len(statements(lambda: client.get(check_url(viewer, stream)))) == 3


def vacuum() -> None:
    """Vacuum until all pages are marked all-visible, which index-only scans need. Older snapshots delay that."""
    with connection.cursor() as cursor:
        for _ in range(50):
            # With few dead rows VACUUM skips the indexes otherwise, and their page does not become all-visible.
            cursor.execute("VACUUM (ANALYZE, INDEX_CLEANUP ON)")
            cursor.execute("SELECT relallvisible = relpages FROM pg_class WHERE relname = 'bans_livestreamban'")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_among_a_hundred_thousand_bans_the_check_is_an_index_only_scan(creator: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO accounts_user (id, username, username_key, password, name, surname, email, availability_status,
                is_staff, is_active, is_superuser, created_at, updated_at, identity_issuer, identity_subject)
            SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), 'many' || n, 'many' || n, '', '', '', '', 'offline',
                false, true, false, now(), now(), '', ''
            FROM generate_series(1, 1000) AS n
            """
        )
        cursor.execute(
            """
            INSERT INTO livestreams_livestream (id, created_at, updated_at, title, title_folded, type,
                channel_name, creator_id, thumbnail, status)
            SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), now(), now(), 't', 't', 'solo',
                'c' || n, %s, '', 'preparing'
            FROM generate_series(1, 100) AS n
            """,
            [bytes.fromhex(creator.pk)],
        )
        cursor.execute(
            """
            INSERT INTO bans_livestreamban (id, created_at, updated_at, stream_id, target_id, action_type,
                created_by_id, review)
            SELECT decode(lpad(to_hex(s * 10000 + u), 24, '0'), 'hex'), now(), now(),
                decode(lpad(to_hex(s), 24, '0'), 'hex'), decode(lpad(to_hex(u), 24, '0'), 'hex'), 'BLOCK',
                %s, 'unreviewed'
            FROM generate_series(1, 100) AS s, generate_series(1, 1000) AS u
            """,
            [bytes.fromhex(creator.pk)],
        )
    vacuum()
    compiled = CHECK._compiled()
    given = {"stream": "0" * 23 + "5", "target": "0" * 23 + "7", "caller": creator.pk, "now": timezone.now()}
    values = [param.bound(given[param.name]) for param in compiled.params]

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {compiled.sql}", values)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Seq Scan on bans_livestreamban" not in plan
    assert "Index Only Scan using ban_check" in plan, plan
