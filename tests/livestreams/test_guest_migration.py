"""Migration 0004: guests who were named before there were answers count as accepted."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from tests.conftest import make_user
from tests.streams import make_stream

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE, AFTER = [("livestreams", "0005_fold_titles")], [("livestreams", "0006_guest_status")]


def migrate(target: list[tuple[str, str]]) -> None:
    MigrationExecutor(connection).migrate(target)


@pytest.fixture
def creator(transactional_db: None) -> Iterator[User]:
    yield make_user("creator")
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    migrate([leaf for leaf in leaves if leaf[0] == "livestreams"])


def test_guests_of_existing_streams_are_accepted_and_streams_without_one_have_no_answer(
    creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = make_user("guest")
    duos = [make_stream(creator, guest=guest).pk for _ in range(7)]
    solo = make_stream(creator).pk
    migrate(BEFORE)
    module = __import__("livestreams.migrations.0006_guest_status", fromlist=["BATCH"])
    monkeypatch.setattr(module, "BATCH", 3)

    migrate(AFTER)

    with connection.cursor() as cursor:
        cursor.execute("SELECT encode(id, 'hex'), guest_status FROM livestreams_livestream")
        found = dict(cursor.fetchall())
        cursor.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'stream_guest_status_fits_guest'")
        assert cursor.fetchone() == (True,)
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'stream_by_accepted_guest'::regclass")
        assert cursor.fetchone() == (True,)
    assert found == dict.fromkeys(duos, "accepted") | {solo: None}
