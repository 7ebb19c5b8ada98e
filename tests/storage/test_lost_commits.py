"""What becomes of a stored file when the change that names it fails, or when nobody knows whether it did."""

import logging
from typing import Any, NoReturn

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from accounts.models import User
from common.storage import StorageUnavailable, storage, stored
from common.storage.local import LocalStorage
from livestreams import services
from tests.conftest import Api
from tests.envelope import assert_refused
from tests.livestreams.test_thumbnail import picture, put
from tests.livestreams.test_thumbnail import stored as files
from tests.streams import make_stream


def test_the_file_of_a_change_that_fails_is_removed(db: None) -> None:
    with pytest.raises(ValueError, match="no"), stored({"photos/a.webp": b"one"}):
        raise ValueError("no")

    assert files() == set()


def test_a_database_error_with_a_living_connection_is_a_rollback(db: None) -> None:
    with pytest.raises(OperationalError), stored({"photos/a.webp": b"one"}):
        raise OperationalError("canceling statement due to lock timeout") from LockNotAvailable()

    assert files() == set()


@pytest.mark.django_db(transaction=True)
def test_the_file_is_kept_if_the_commit_was_perhaps_done(creator: User) -> None:
    """The connection is lost after the COMMIT, and before its answer: the row is there."""
    stream = make_stream(creator)

    def lose_it_after_the_commit() -> NoReturn:
        services.set_thumbnail(stream.pk, by=creator, now=timezone.now(), file="thumbnails/a.webp")
        connection.connection.close()
        raise OperationalError("the connection is lost")

    with pytest.raises(OperationalError), stored({"thumbnails/a.webp": b"one"}):
        lose_it_after_the_commit()

    connection.close()
    stream.refresh_from_db()
    assert storage().exists(stream.thumbnail)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_lost_before_leaves_a_file_and_no_row(creator: User, caplog: Any) -> None:
    stream = make_stream(creator)

    def lose_it_before_the_change() -> None:
        terminate_this_connection()
        services.set_thumbnail(stream.pk, by=creator, now=timezone.now(), file="thumbnails/a.webp")

    with caplog.at_level(logging.WARNING), pytest.raises(OperationalError), stored({"thumbnails/a.webp": b"one"}):
        lose_it_before_the_change()

    connection.close()
    stream.refresh_from_db()
    assert (stream.thumbnail, files()) == ("", {"thumbnails/a.webp"})
    assert "files are left of a change that failed: thumbnails/a.webp" in caplog.text


def terminate_this_connection() -> None:
    """The server ends it; this side does not know yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connection.copy()
    try:
        with other.cursor() as own:
            own.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    finally:
        other.close()


def test_a_refusal_is_not_replaced_by_an_error_of_removing(
    api: Api, creator: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream is deleted while its picture is decoded, and then the storage fails."""
    stream = make_stream(creator)
    client = api(creator)

    def fail(*_: Any) -> NoReturn:
        raise StorageUnavailable

    def missing(*_: Any, **__: Any) -> NoReturn:
        raise services.StreamMissing

    monkeypatch.setattr(LocalStorage, "delete", fail)
    monkeypatch.setattr(services, "set_thumbnail", missing)
    assert_refused(put(client, stream, picture()), 404, "stream_not_found")


def test_a_request_with_a_key_that_is_rolled_back_leaves_no_file(api: Api, creator: User, monkeypatch: Any) -> None:
    stream, client = make_stream(creator), api(creator)
    client.defaults["HTTP_IDEMPOTENCY_KEY"] = "one"

    def fail(*_: Any, **__: Any) -> NoReturn:
        raise RuntimeError

    monkeypatch.setattr("common.idempotency._store", fail)
    put(client, stream, picture())

    stream.refresh_from_db()
    assert (stream.thumbnail, files()) == ("", set())
