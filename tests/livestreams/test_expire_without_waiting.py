"""Expiring skips a stream that another transaction has locked, without waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from livestreams.models import LiveStream, Status
from livestreams.services import expire_stream
from livestreams.services.stream_lock import STREAM
from tests.conftest import make_user
from tests.streams import make_stream

_ROW = "SELECT 1 FROM livestreams_livestream WHERE id = %s FOR NO KEY UPDATE"


@contextmanager
def another_transaction(sql: str, value: Any) -> Iterator[None]:
    params: dict[str, Any] = {
        key: given
        for key, given in connection.get_connection_params().items()
        if key in {"dbname", "host", "port", "user", "password"}
    }
    with psycopg.connect(**params) as holder:
        holder.execute(sql, [value])
        yield
        holder.rollback()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("held", ["advisory lock", "shared advisory lock", "row lock"])
def test_a_locked_stream_is_skipped_without_waiting(held: str) -> None:
    now = timezone.now()
    stream = make_stream(make_user("creator"), now=now)
    late = now + timedelta(days=9)
    sql, value = {
        "advisory lock": ("SELECT pg_advisory_xact_lock(%s)", STREAM.key(stream.pk)),
        "shared advisory lock": ("SELECT pg_advisory_xact_lock_shared(%s)", STREAM.key(stream.pk)),
        "row lock": (_ROW, bytes.fromhex(stream.pk)),
    }[held]

    with another_transaction(sql, value), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")  # fails if it waits
        cursor.execute("SET LOCAL statement_timeout = '5s'")
        assert expire_stream(stream.pk, now=late) is False
    assert LiveStream.objects.get(pk=stream.pk).status == Status.SCHEDULED

    assert expire_stream(stream.pk, now=late) is True
    assert LiveStream.objects.get(pk=stream.pk).status == Status.EXPIRED
