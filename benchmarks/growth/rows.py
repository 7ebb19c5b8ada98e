"""Rows by the million for measuring lists, inserted by PostgreSQL itself.

The rows of one size are the first rows of the next one, so that two sizes differ in their number only. Ids carry the
time of creation, as those that Kumanda makes. Values are spread by hashes, so that no two columns are correlated by
accident.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

TABLES = [
    "accounts_user",
    "livestreams_livestream",
    "bans_livestreamban",
    "bans_report",
    "bans_reportcase",
    "edges_feedback",
    "edges_participant",
    "edges_streamstatistics",
    "edges_viewersample",
    "reminders_reminder",
    "reminders_notification",
]

type Execute = Callable[[str, list[int]], object]

# An id of 12 bytes: seconds of its creation, the kind of the row, its number.
_ID = (
    "decode(lpad(to_hex(extract(epoch FROM {at})::bigint), 8, '0') || '{kind:02x}' || lpad(to_hex({n}), 14, '0'),"
    " 'hex')"
)


class Size(NamedTuple):
    users: int = 1_000
    streams: int = 10_000
    bans: int = 10_000
    viewers: int = 1_000  # of the first stream
    watched: int = 0  # by all users, among the streams
    reminders: int = 0
    notifications: int = 0
    reports: int = 0  # ten in each case


def made_at(n: str) -> str:
    """When row `n` was created: the first at the start of 2026, then one every three seconds."""
    return f"(timestamptz '2026-01-01 00:00+00' + {n} * interval '3 seconds')"


def hashed(salt: int, k: int) -> str:
    """SQL for a number from 0 to k - 1 that depends on nothing but `n` and the salt."""
    return f"(hashint8extended(n, {salt}) & 1048575) %% {k}"


def row_id(kind: int, n: str, at: str) -> str:
    """SQL for the id of row `n` of a kind (below 256) that was created `at`."""
    return _ID.format(kind=kind, n=n, at=at)


_USER_AT = "timestamptz '2025-12-31 00:00+00'"


def user_id(n: str) -> str:
    """SQL for the id of user `n`, from 0."""
    return row_id(1, n, _USER_AT)


def stream_id(n: str) -> str:
    """SQL for the id of stream `n`, from 0."""
    return row_id(2, n, made_at(n))


_USERS = f"""
INSERT INTO accounts_user (id, password, is_superuser, username, username_key, name, surname, names_folded, email,
    availability_status, is_staff, is_active, created_at, updated_at, identity_issuer, identity_subject, session_epoch)
SELECT {user_id("n")}, '!', false, 'user' || n, 'user' || n, name, surname,
    'user' || n || ' ' || lower(name) || ' ' || lower(surname), '', 'available', false, true,
    {_USER_AT}, {_USER_AT}, '', '', 0
FROM generate_series(0, %s::bigint - 1) AS n,
    LATERAL (SELECT (ARRAY['Ada', 'Deniz', 'Ece', 'Kerem', 'Mina', 'Ali', 'Zeynep', 'Can'])[1 + n %% 8] AS name,
        (ARRAY['Demir', 'Kaya', 'Arslan', 'Aydin', 'Koc'])[1 + n / 8 %% 5] AS surname) AS named
ON CONFLICT DO NOTHING
"""

# Deleted streams are still kept.
# Of a hundred streams, 1 is active (one of each creator at most), 55 are over, 38 planned, 2 in preparation.
_STREAMS = f"""
INSERT INTO livestreams_livestream (id, created_at, updated_at, deleted_at, title, title_folded, type, channel_name,
    creator_id, guest_id, guest_status, thumbnail, status, price, interest, duration_goal, motivation,
    planned_start_at, plan_set_at, revision, started_at, ended_at)
SELECT {stream_id("n")}, at, at + {hashed(1, 977)} * interval '1 second',
    CASE WHEN {hashed(2, 53)} = 0 AND status <> 'active' THEN now() - {hashed(11, 20)} * interval '1 day' END,
    title, lower(title), CASE WHEN n %% 5 = 0 THEN 'duocrowd' ELSE 'solo' END, 'channel-' || n,
    {user_id("(host %% users)")},
    CASE WHEN n %% 5 = 0 THEN {user_id("((host + 1) %% users)")} END,
    CASE WHEN n %% 5 = 0 THEN (ARRAY['invited', 'accepted', 'accepted', 'declined'])[1 + n / 5 %% 4] END,
    '', status, CASE WHEN n %% 3 = 0 THEN 49.90 END,
    (ARRAY['music', 'sports', 'cooking', 'education', NULL])[1 + {hashed(6, 5)}],
    CASE WHEN {hashed(7, 4)} > 0 THEN 1 + {hashed(8, 240)} END,
    NULL,
    CASE WHEN status = 'scheduled' THEN at + interval '500 days' + {hashed(3, 9973)} * interval '1 minute'
        WHEN status <> 'preparing' THEN at + interval '1 hour' END, at, 0,
    CASE WHEN status IN ('active', 'ended') THEN at + interval '1 hour' + {hashed(4, 97)} * interval '1 second' END,
    CASE WHEN status = 'ended' THEN at + interval '2 hours' + {hashed(5, 883)} * interval '1 second' END
FROM (SELECT n, {made_at("n")} AS at, users, CASE WHEN n %% 100 = 95 THEN n / 100 ELSE n END AS host,
    CASE WHEN n %% 100 < 55 THEN 'ended' WHEN n %% 100 < 93 THEN 'scheduled' WHEN n %% 100 < 95 THEN 'preparing'
        WHEN n %% 100 = 95 AND n < 100 * users THEN 'active'
        WHEN n %% 100 < 97 THEN 'expired' WHEN n %% 100 < 99 THEN 'cancelled_by_host'
        ELSE 'cancelled_by_guest' END AS status,
    (ARRAY['Talk about ', 'Concert with ', 'Cooking with ', 'Evening of '])[1 + n %% 4]
        || (ARRAY['friends ', 'music ', 'history ', 'films ', 'books '])[1 + n / 4 %% 5] || n AS title
    FROM generate_series(0, %s::bigint - 1) AS n, (VALUES (%s::bigint)) AS given (users)) AS made
ON CONFLICT DO NOTHING
"""

# One ban in ten is lifted, three in ten have lapsed or will. Bans are spread evenly over streams and users.
_BANS = f"""
INSERT INTO bans_livestreamban (id, created_at, updated_at, deleted_at, deleted_by_id, action_type, reason, expires_at,
    review, created_by_id, stream_id, target_id)
SELECT {row_id(3, "n", "at")}, at, at, CASE WHEN n %% 10 = 9 THEN at + interval '1 hour' END,
    CASE WHEN n %% 10 = 9 THEN host END, CASE WHEN n %% 3 = 0 THEN 'CHAT_ONLY' ELSE 'BLOCK' END, 'spam',
    CASE WHEN n %% 10 < 3 THEN at + interval '200 days' END, 'unreviewed', host, stream,
    {user_id("((n + 1 + n / users) %% users)")}
FROM (SELECT n, {made_at("n")} AS at, users, {stream_id("(n %% streams)")} AS stream,
    {user_id("(n %% streams %% users)")} AS host
    FROM generate_series(0, %s::bigint - 1) AS n, (VALUES (%s::bigint, %s::bigint)) AS given (users, streams)) AS made
ON CONFLICT DO NOTHING
"""

# One of ten bans was appealed an hour later, also against bans that are over. One appeal in twenty waits.
_APPEALS = f"""
INSERT INTO bans_appeal (id, created_at, updated_at, ban_id, text, state)
SELECT {row_id(7, "n", "at")}, at, at, ban.id, 'It was not me.',
    CASE WHEN n / 10 %% 20 = 0 THEN 'pending' ELSE (ARRAY['approved', 'denied', 'withdrawn'])[1 + n / 10 %% 3] END
FROM (SELECT n, {made_at("n")} + interval '1 hour' AS at FROM generate_series(0, %s::bigint - 1, 10) AS n) AS made
    JOIN bans_livestreamban AS ban ON ban.id = {row_id(3, "n", made_at("n"))}
ON CONFLICT DO NOTHING
"""

# All join the first stream one after the other, and are there still.
_VIEWERS = f"""
INSERT INTO edges_participant (id, first_seen_at, last_seen_at, stream_id, user_id)
SELECT {row_id(4, "n", made_at("n"))}, now() - interval '1 hour' + n * interval '1 millisecond',
    now() + interval '1 day', {stream_id("0")}, {user_id("n")}
FROM generate_series(1, %s::bigint) AS n
ON CONFLICT DO NOTHING
"""

# Each user has watched as many as any other, some of them streams that are not over.
_WATCHED = f"""
INSERT INTO edges_participant (id, first_seen_at, last_seen_at, stream_id, user_id, role)
SELECT {row_id(7, "n", made_at("n"))}, {made_at("n")}, {made_at("n")} + interval '5 minutes',
    {stream_id("(1 + n / users * 7919 %% (streams - 1))")}, {user_id("(n %% users)")}, 'audience'
FROM generate_series(0, %s::bigint - 1) AS n, (VALUES (%s::bigint, %s::bigint)) AS given (users, streams)
ON CONFLICT DO NOTHING
"""
# The active streams, with numbers of viewers as if they were counted, and no pass of counting that is due.
_COUNTS = f"""
WITH live AS (
    INSERT INTO edges_viewercount (stream_id, viewers, counted_at, is_live)
    SELECT id, (hashtextextended(id::text, 9) & 1048575) %% 5000, now(), true FROM livestreams_livestream
    WHERE status = 'active' ON CONFLICT DO NOTHING
), ranked AS (
    INSERT INTO edges_creatoraudience (creator_id, viewers, counted_at)
    SELECT {user_id("n")}, 1 + {hashed(10, 50_000)}, now() FROM generate_series(0, %s::bigint - 1) AS n
    ON CONFLICT DO NOTHING
)
INSERT INTO edges_countingpass (name, begun_at, seconds) VALUES ('live viewers', now(), 1e6),
    ('viewers of creators', now(), 1e6)
ON CONFLICT DO NOTHING
"""

# Of each stream that has started, with a sample; the first one has a sample for each minute.
_STATISTICS = f"""
WITH started AS (
    INSERT INTO edges_streamstatistics (stream_id, peak, peak_at, audience, watched_seconds, settled_at)
    SELECT id, 5000, started_at, 7000, 1e6, ended_at FROM livestreams_livestream WHERE started_at IS NOT NULL
    ON CONFLICT DO NOTHING
)
INSERT INTO edges_viewersample (stream_id, at, viewers)
SELECT id, date_trunc('minute', started_at) + n * interval '1 minute', 17 * n FROM livestreams_livestream,
    generate_series(0, CASE WHEN id = {stream_id("0")} THEN 59 ELSE 0 END) AS n
WHERE started_at IS NOT NULL
ON CONFLICT DO NOTHING
"""

# All users rated the first stream, and one of ten wrote a comment.
_FEEDBACK = f"""
WITH counted AS (
    INSERT INTO edges_feedbackcount (stream_id, rated_1, rated_2, rated_3, rated_4, rated_5)
    VALUES ({stream_id("0")}, 1, 2, 3, 4, 5) ON CONFLICT DO NOTHING
)
INSERT INTO edges_feedback (id, stream_id, user_id, rating, comment, created_at)
SELECT {row_id(10, "n", made_at("n"))}, {stream_id("0")}, {user_id("n")}, 1 + n %% 5,
    CASE WHEN n %% 10 = 0 THEN 'Good' END, {made_at("n")}
FROM generate_series(0, %s::bigint - 1) AS n
ON CONFLICT DO NOTHING
"""

# Each user has as many as any other.
_REMINDERS = f"""
INSERT INTO reminders_reminder (id, created_at, updated_at, stream_id, user_id, minute, language)
SELECT {row_id(5, "n", made_at("n"))}, {made_at("n")}, {made_at("n")}, {stream_id("(n / users * 7919 %% streams)")},
    {user_id("(n %% users)")}, 15, 'en'
FROM generate_series(0, %s::bigint - 1) AS n, (VALUES (%s::bigint, %s::bigint)) AS given (users, streams)
ON CONFLICT DO NOTHING
"""
_NOTIFICATIONS = f"""
INSERT INTO reminders_notification (id, user_id, stream_id, kind, minute, planned_start_at, read_at, created_at)
SELECT {row_id(6, "n", made_at("n"))}, {user_id("(n %% users)")}, {stream_id("(n / users * 7919 %% streams)")},
    'live', NULL, NULL, CASE WHEN n / users %% 2 = 0 THEN {made_at("n")} END, {made_at("n")}
FROM generate_series(0, %s::bigint - 1) AS n, (VALUES (%s::bigint, %s::bigint)) AS given (users, streams)
ON CONFLICT DO NOTHING
"""
# Each user has as many reports as any other. One case in four is open.
_CASES = f"""
INSERT INTO bans_reportcase (id, created_at, updated_at, stream_id, state, report_count, reasons, decided_by_id,
    decided_at, decision)
SELECT {row_id(8, "n", "at")}, at, at, {stream_id("(n %% streams)")}, state, 10, '{{"spam": 10}}',
    CASE WHEN state <> 'open' THEN {user_id("0")} END, CASE WHEN state <> 'open' THEN at + interval '1 day' END, ''
FROM (SELECT n, {made_at("n")} AS at, streams,
    CASE WHEN {hashed(12, 4)} > 0 THEN (ARRAY['dismissed', 'acted_on'])[1 + {hashed(13, 2)}] ELSE 'open' END AS state
    FROM generate_series(0, %s::bigint / 10 - 1) AS n, (VALUES (%s::bigint)) AS given (streams)) AS made
ON CONFLICT DO NOTHING
"""
_REPORTS = f"""
INSERT INTO bans_report (id, created_at, case_id, stream_id, reporter_id, reason)
SELECT {row_id(9, "n", made_at("n"))}, {made_at("n")}, {row_id(8, "(n / 10)", made_at("(n / 10)"))},
    {stream_id("(n / 10 %% streams)")}, {user_id("(n %% users)")}, 'spam'
FROM generate_series(0, %s::bigint - 1) AS n, (VALUES (%s::bigint, %s::bigint)) AS given (users, streams)
ON CONFLICT DO NOTHING
"""


_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisunique AND NOT indisexclusion AND NOT relispartition AND indrelid::regclass::text = ANY(%s)
"""
# They are GiST indexes, into which rows are inserted ten times slower than into others.
_EXCLUSIONS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'x' AND conrelid::regclass::text = ANY(%s)
"""


@contextmanager
def without_indexes(cursor: Any, tables: Sequence[str]) -> Iterator[None]:
    """For many rows: drop indexes and exclusion constraints of the tables, and build them again at the end.

    Unique indexes stay: they say which rows are missing. Raises IntegrityError for rows that an exclusion constraint
    forbids.
    """
    cursor.execute(_INDEXES, [tables])
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    cursor.execute(_EXCLUSIONS, [tables])
    exclusions = cursor.fetchall()
    for table, name, _ in exclusions:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    for _, definition in indexes:
        # Of a partitioned table with its partitions.
        cursor.execute(definition.replace(" ON ONLY ", " ON ", 1))
    for table, name, definition in exclusions:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def fill_in_bulk(
    cursor: Any, *sizes: Size, beside: Callable[[Any], None] = lambda cursor: None, tables: Sequence[str] = ()
) -> None:
    """`fill` with each size, for many rows. `beside` is called with the cursor and may insert rows into `tables`."""
    with without_indexes(cursor, [*TABLES, *tables]):
        for size in sizes:
            _insert(cursor.execute, size)
        beside(cursor)
    cursor.execute("ANALYZE")


def fill(execute: Execute, size: Size) -> None:
    """Insert what is missing of these rows. Triggers and foreign keys are not checked."""
    _insert(execute, size)
    execute("ANALYZE", [])


def _insert(execute: Execute, size: Size) -> None:
    execute("SET session_replication_role = replica", [])
    execute(_USERS, [size.users])
    execute(_STREAMS, [size.streams, size.users])
    execute(_BANS, [size.bans, size.users, size.streams])
    execute(_APPEALS, [size.bans])
    execute(_VIEWERS, [min(size.viewers, size.users - 1)])
    execute(_WATCHED, [size.watched, size.users, size.streams])
    execute(_COUNTS, [size.users])
    execute(_STATISTICS, [])
    execute(_FEEDBACK, [size.users])
    execute(_REMINDERS, [size.reminders, size.users, size.streams])
    execute(_NOTIFICATIONS, [size.notifications, size.users, size.streams])
    execute(_CASES, [size.reports, size.streams])
    execute(_REPORTS, [size.reports, size.users, size.streams])
    execute("SET session_replication_role = DEFAULT", [])
