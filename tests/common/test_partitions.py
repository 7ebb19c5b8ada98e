"""Tables that are partitioned by month: adding and removing months, and their check by the doctor."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction

from accounts.models import User
from common import partitions
from common.fields import new_object_id
from common.models import AuditEntry
from common.partitioning import Conversion
from reminders.models import Notification

NOTIFICATIONS, TRAIL = "reminders_notification", "common_auditentry"
PARENTS = [TRAIL, NOTIFICATIONS]


def ask(query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def notify(user: User, when: datetime) -> str:
    """The partition of a new notification."""
    row = Notification.objects.create(user=user, stream_id=new_object_id(), kind="live", created_at=when)
    ((name,),) = ask(f"SELECT tableoid::regclass::text FROM {NOTIFICATIONS} WHERE id = %s", bytes.fromhex(row.pk))
    return str(name)


def codes() -> set[str]:
    return {finding.code for finding in partitions.examine()}


def month(year: int, number: int) -> int:
    return partitions.month_of(datetime(year, number, 1, tzinfo=UTC))


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_the_months_of_python_and_of_the_database_are_the_same(moment: datetime, db: None) -> None:
    assert ask("SELECT month_of(%s)", moment) == [(partitions.month_of(moment),)]
    for parent in PARENTS:
        bound = ask("SELECT month_bound(%s, %s)", parent, partitions.month_of(moment))[0][0]
        begin = partitions.begin_of(partitions.month_of(moment))
        if parent == TRAIL:
            assert int(bound) == partitions.month_of(moment) * partitions.IDS_PER_MONTH
        else:
            assert ask(f"SELECT {bound}::timestamptz") == [(begin,)]


def test_the_partitions_cover_every_key_without_a_gap(db: None) -> None:
    assert partitions.parents() == PARENTS
    for parent in PARENTS:
        found = partitions.partitions_of(parent)
        assert (found[0].table, found[0].first) == (f"{parent}_earlier", None)
        assert (found[-1].table, found[-1].end) == (f"{parent}_later", None)
        assert [each.end for each in found[:-1]] == [each.first for each in found[1:]]


def test_an_insert_never_fails_whatever_its_time(creator: User) -> None:
    assert notify(creator, datetime(1999, 1, 1, tzinfo=UTC)) == f"{NOTIFICATIONS}_earlier"
    assert notify(creator, datetime(2099, 1, 1, tzinfo=UTC)) == f"{NOTIFICATIONS}_later"
    for key in (-(2**62), 2**62):
        AuditEntry.objects.create(
            id=key, at=datetime.now(UTC), entry_point="api", actor_name="", action="a", target_type="t",
            target_id=creator.pk, before={}, after={},
        )  # fmt: skip
        assert AuditEntry.objects.filter(pk=key).exists()


@pytest.mark.parametrize("parent", PARENTS)
def test_months_are_added_once_and_have_what_the_others_have(parent: str, db: None) -> None:
    ahead = partitions.partitions_of(parent)[-1].first
    assert ahead is not None
    beyond = ahead - partitions.month_of(datetime.now(UTC)) + 1
    assert ask("SELECT add_month_partitions(%s, %s)", parent, beyond) == [(2,)]
    assert ask("SELECT add_month_partitions(%s, %s)", parent, beyond) == [(0,)]
    *_, first, second, later = partitions.partitions_of(parent)
    assert (first.first, first.end, second.end, later.first) == (ahead, ahead + 1, ahead + 2, ahead + 2)
    definitions = {
        name: sorted(
            row[0].replace(name, "")
            for row in ask(
                "SELECT regexp_replace(pg_get_indexdef(indexrelid), 'INDEX \\S+', 'INDEX') FROM pg_index"
                " WHERE indrelid = %s::regclass UNION ALL SELECT regexp_replace(pg_get_triggerdef(oid), '\\S+$', '')"
                " || tgenabled::text FROM pg_trigger WHERE tgrelid = %s::regclass",
                name,
                name,
            )
        )
        for name in (first.table, second.table, later.table, f"{parent}_earlier")
    }
    assert len({tuple(found) for found in definitions.values()}) == 1
    assert len(definitions[later.table]) >= 3


def test_rows_of_missing_months_are_reported_and_stay_where_they_are(creator: User) -> None:
    assert codes() == set()
    last = partitions.partitions_of(NOTIFICATIONS)[-1]
    assert last.first is not None
    when = partitions.begin_of(last.first) + timedelta(days=3)
    assert notify(creator, when) == f"{NOTIFICATIONS}_later"
    assert codes() == {"partitions_overflowing"}

    ask("SELECT add_month_partitions(%s, %s)", NOTIFICATIONS, 12)

    assert codes() == set()
    assert Notification.objects.count() == 1
    assert notify(creator, when) == f"{NOTIFICATIONS}{ask('SELECT month_suffix(%s)', last.first)[0][0]}"
    found = partitions.partitions_of(NOTIFICATIONS)
    assert [each.end for each in found[:-1]] == [each.first for each in found[1:]]


def remove_months_of_the_future() -> None:
    """Of the notifications. The first partition covers what remains."""
    last = partitions.partitions_of(NOTIFICATIONS)[-1]
    ask(f"ALTER TABLE {NOTIFICATIONS} DETACH PARTITION {last.table}")
    ask(f"DROP TABLE {partitions.partitions_of(NOTIFICATIONS)[-1].table}")
    first = partitions.month_of(datetime.now(UTC)) + 1
    for each in partitions.partitions_of(NOTIFICATIONS):
        if each.end is not None and each.end > first:
            ask(f"DROP TABLE {each.table}")
    ask(
        f"ALTER TABLE {NOTIFICATIONS} ATTACH PARTITION {last.table}"
        f" FOR VALUES FROM ('{partitions.begin_of(first).isoformat()}') TO (MAXVALUE)"
    )


def test_doctor_warns_before_the_months_are_used_up(db: None) -> None:
    remove_months_of_the_future()
    assert codes() == {"partitions_missing"}
    partitions.add_months()
    assert codes() == set()


def test_a_month_is_removed_with_its_rows_and_the_next_ones_stay(creator: User) -> None:
    first = partitions.partitions_of(NOTIFICATIONS)[1].first
    assert first is not None
    old, kept = partitions.begin_of(first), partitions.begin_of(first + 1)
    notify(creator, old - timedelta(seconds=1))
    notify(creator, old)
    notify(creator, kept)

    assert ask("SELECT remove_deletable_months(%s, %s)", NOTIFICATIONS, first + 1) == [(2,)]

    assert list(Notification.objects.values_list("created_at", flat=True)) == [kept]
    assert notify(creator, old) == f"{NOTIFICATIONS}_earlier"
    assert codes() == set()


def test_months_of_the_audit_trail_are_not_removed_with_the_privileges_of_the_owner(db: None) -> None:
    with pytest.raises(ProgrammingError, match="must not be deleted"), transaction.atomic():
        ask("SELECT remove_deletable_months(%s, 9999)", TRAIL)
    assert ask("SELECT remove_deletable_months('accounts_user', 9999)") == [(0,)]


@pytest.mark.django_db(transaction=True)
def test_several_processes_at_once_add_each_month_once() -> None:
    before = {parent: len(partitions.partitions_of(parent)) for parent in PARENTS}
    ahead = max((each.first or 0) for each in partitions.partitions_of(TRAIL)) - partitions.month_of(datetime.now(UTC))

    def add(_: int) -> int:
        try:
            return int(ask("SELECT add_month_partitions(%s, %s)", TRAIL, ahead)[0][0])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        added = list(threads.map(add, range(4)))
    assert sorted(added) == [0, 0, 0, 1]
    assert len(partitions.partitions_of(TRAIL)) == before[TRAIL] + 1


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_held_is_waited_for_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "ATTEMPTS", 2)
    monkeypatch.setattr(partitions, "PAUSE", 0.01)
    holding = connection.copy()
    try:
        holding.set_autocommit(False)
        with holding.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {NOTIFICATIONS} IN ACCESS SHARE MODE")
        with pytest.raises(OperationalError, match="lock timeout"):
            partitions.patiently("SELECT add_month_partitions(%s, %s)", NOTIFICATIONS, 23)
    finally:
        holding.rollback()
        holding.close()
    assert len(partitions.partitions_of(NOTIFICATIONS)) < 20


def test_a_month_of_the_audit_trail_begins_once(db: None) -> None:
    partitions.begin_month_of_audit_trail()
    assert not partitions.begin_month_of_audit_trail()
    drawn = ask(f"SELECT nextval('{partitions.SEQUENCE}')")[0][0]
    assert drawn // partitions.IDS_PER_MONTH == partitions.month_of(datetime.now(UTC))


# --- converting a table ---------------------------------------------------------------------------

HALL = Conversion(
    "hall",
    key="created_at",
    renamed_indexes=["hall_by_name"],
    renamed_constraints=["hall_pkey"],
    after=["CREATE INDEX hall_by_name ON hall (name)"],
)


def test_a_table_with_rows_is_converted_and_keeps_them(db: None) -> None:
    ask("CREATE TABLE hall (id int PRIMARY KEY, name text NOT NULL, created_at timestamptz NOT NULL, CHECK (id > 0))")
    ask("CREATE INDEX hall_by_name ON hall (name)")
    ask("INSERT INTO hall SELECT n, 'n' || n, now() - n * interval '1 day' FROM generate_series(1, 1000) n")
    ask("GRANT SELECT, INSERT ON hall TO pg_monitor")
    filenode = ask("SELECT relfilenode FROM pg_class WHERE relname = 'hall'")

    for _ in range(2):  # again, as after an interruption
        HALL.bound()
        HALL.replace()
    partitions.add_months()

    assert ask("SELECT relfilenode FROM pg_class WHERE relname = 'hall_earlier'") == filenode  # nothing was copied
    assert ask("SELECT count(*), min(id), max(id) FROM hall") == [(1000, 1, 1000)]
    ask("INSERT INTO hall VALUES (1001, 'new', '2050-01-01')")
    names = [each.table for each in partitions.partitions_of("hall")]
    assert (names[0], names[-1], len(names) >= 4) == ("hall_earlier", "hall_later", True)
    assert ask("SELECT count(*) FROM pg_index WHERE indrelid = 'hall_later'::regclass") == [(2,)]
    privileges = dict(
        ask("""
        SELECT c.relname, string_agg(g.privilege_type, ' ' ORDER BY g.privilege_type)
        FROM pg_class c, aclexplode(c.relacl) g WHERE g.grantee = 'pg_monitor'::regrole AND relname LIKE 'hall%%'
        GROUP BY 1
    """)
    )
    assert privileges["hall"] == "INSERT SELECT"
    assert {privileges[name] for name in names} == {"SELECT"}
    assert ask("SELECT conrelid FROM pg_constraint WHERE conname = 'before_the_first_month'") == []
