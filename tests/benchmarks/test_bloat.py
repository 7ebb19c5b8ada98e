"""The statements of the benchmark of bloat fit the tables, and it measures what it says."""

import pytest
from django.db import connection

from benchmarks.bloat import CASES, Case, measured


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.table)
def test_each_case_updates_its_table_and_removes_it(case: Case) -> None:
    found = measured(case, rows=400, fill_factor=50, scale=0.2)
    # Half of each page is free, so updates are HOT that change no indexed column. Some pages are not pruned in time,
    # because the server's own processes, as autovacuum, hold them at that moment.
    assert found.hot == pytest.approx(0 if case.table == "edges_viewercount" else 1, abs=0.25)
    assert found.wal > 50
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"bloat_{case.table}"])
        assert cursor.fetchone() == (None,)
