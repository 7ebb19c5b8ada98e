"""Tables that are updated often have room in their pages: benchmarks/results/bloat.md says which gain by it."""

import pytest
from django.db import connection

from accounts.models import Session
from edges.models import Participant, StreamStatistics


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Session, Participant, StreamStatistics])
def test_updates_find_room_in_the_page_of_their_row(model: type) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])  # type: ignore[attr-defined]
        assert cursor.fetchone() == (["fillfactor=90"],)
