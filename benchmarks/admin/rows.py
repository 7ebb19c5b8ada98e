"""Rows that the pages of the admin show, besides those of `benchmarks.growth`: verdicts, an evening, rounds, the trail.

All are inserted by PostgreSQL itself, in states that the services can bring about.
"""

from typing import Any, NamedTuple

from benchmarks.growth.rows import Size, fill_in_bulk, hashed, made_at, row_id, stream_id, user_id
from common.partitions import IDS_PER_MONTH, SEQUENCE

TABLES = ["bans_appeal", "common_auditentry", "reminders_chunk", "reminders_delivery", "reminders_round"]
MODERATORS = 20  # the first users


class AdminSize(NamedTuple):
    """`evening` is the number of bans of the last day, `audited` that of audit rows; `rows` has the others."""

    rows: Size
    evening: int
    audited: int
    rounds: int

    def divided(self, by: int) -> "AdminSize":
        rows = Size(*(number // by for number in self.rows))
        return AdminSize(rows, self.evening // by, self.audited // by, self.rounds // by)


MILLIONS = AdminSize(
    rows=Size(
        users=1_000_000,
        streams=1_000_000,
        bans=1_000_000,
        viewers=100_000,
        reminders=1_000_000,
        reports=1_000_000,
    ),
    evening=5_000,
    audited=10_000_000,
    rounds=500_000,
)

# Of the bans, 2 in 100 wait, the others were reviewed a day later. Lifted ones were lifted by the review; those with an
# approved appeal were changed. The table is written anew afterwards, because each row has an old version then.
_MODERATOR = f"(SELECT array_agg({user_id('n')}) FROM generate_series(0, {MODERATORS - 1}) AS n)"
_REVIEWS = f"""
UPDATE bans_livestreamban AS ban SET review = verdict,
    reviewed_by_id = reviewer, reviewed_at = ban.created_at + interval '1 day',
    deleted_by_id = CASE WHEN ban.deleted_at IS NOT NULL THEN reviewer END,
    deleted_at = CASE WHEN ban.deleted_at IS NOT NULL THEN ban.created_at + interval '1 day' END,
    updated_at = ban.created_at + interval '1 day'
FROM (SELECT one.id, moderators[1 + spread %% {MODERATORS}] AS reviewer,
    CASE WHEN one.deleted_at IS NOT NULL THEN 'lifted' WHEN appeal.state = 'approved' OR spread %% 11 = 0 THEN 'changed'
        ELSE 'upheld' END AS verdict
    FROM (SELECT *, (hashtextextended(id::text, 21) & 1048575) AS spread FROM bans_livestreamban) AS one
    CROSS JOIN (SELECT {_MODERATOR} AS moderators) AS given
    LEFT JOIN bans_appeal AS appeal ON appeal.ban_id = one.id
    WHERE spread %% 100 >= 2) AS decided
WHERE decided.id = ban.id
"""

# Bans of the last day on active streams: a third in raids of fifty, a tenth appealed, many that end soon. None is of a
# person who is banned from the stream already: the constraint against a second ban is missing here.
_EVENING = f"""
WITH live AS (
    SELECT array_agg(id) AS ids, array_agg(creator_id) AS hosts FROM (
        SELECT id, creator_id FROM livestreams_livestream WHERE status = 'active' ORDER BY id DESC LIMIT 1000
    ) AS newest
), made AS (
    INSERT INTO bans_livestreamban (id, created_at, updated_at, action_type, reason, expires_at, batch_id, review,
        created_by_id, stream_id, target_id)
    SELECT {row_id(11, "n", "at")}, at, at, CASE WHEN n %% 4 = 0 THEN 'CHAT_ONLY' ELSE 'BLOCK' END,
        CASE WHEN n %% 3 = 0 THEN 'raid' ELSE 'insults' END,
        CASE n %% 5 WHEN 0 THEN now() + interval '40 minutes' WHEN 1 THEN now() + interval '6 hours' END,
        CASE WHEN n %% 3 = 0 THEN {row_id(12, "(n / 150)", "now()")} END, 'unreviewed',
        hosts[place], ids[place], {user_id("(users - 1 - n)")}
    FROM (SELECT n, now() - n::float8 / total * interval '1 day' AS at, users,
            1 + CASE WHEN n %% 3 = 0 THEN n / 150 ELSE n END %% cardinality(ids) AS place, ids, hosts
        FROM live, (VALUES (%s::bigint, %s::bigint)) AS given (total, users), generate_series(0, total - 1) AS n) AS one
    WHERE NOT EXISTS (SELECT FROM bans_livestreamban AS known
        WHERE known.stream_id = ids[place] AND known.target_id = {user_id("(users - 1 - n)")})
    ON CONFLICT DO NOTHING RETURNING id, created_at
)
INSERT INTO bans_appeal (id, created_at, updated_at, ban_id, text, state)
SELECT substr(id, 1, 4) || '\\x13'::bytea || substr(id, 6), created_at, created_at, id, 'I was quoting somebody.',
    'pending'
FROM made WHERE get_byte(id, 11) %% 10 = 0
"""

# A round for each of the newest streams that have started, cut into one chunk, delivered by webhook and by email.
_ROUNDS = f"""
WITH round AS (
    INSERT INTO reminders_round (id, stream_id, kind, minute, planned_start_at, due_at, good_until, state, reminders,
        opened_at, closed_at)
    SELECT {row_id(14, "n", "started_at")}, id, 'live', NULL, planned_start_at, started_at,
        started_at + interval '10 minutes', CASE WHEN n %% 50 = 0 THEN 'missed' ELSE 'cut' END, 12, started_at,
        started_at + interval '1 second'
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM livestreams_livestream
        WHERE started_at IS NOT NULL ORDER BY id LIMIT %s) AS begun
    ON CONFLICT DO NOTHING RETURNING id, due_at, state
), chunk AS (
    INSERT INTO reminders_chunk (id, round_id, number, due_at, state, notified, missed, closed_at)
    SELECT substr(id, 1, 4) || '\\x15'::bytea || substr(id, 6), id, 1, due_at, 'notified', 12, 0,
        due_at + interval '2 seconds'
    FROM round WHERE state = 'cut' RETURNING id, closed_at
)
INSERT INTO reminders_delivery (id, chunk_id, channel, state, recipients, attempts, last_error, created_at,
    attempted_at, next_attempt_at, closed_at)
SELECT substr(id, 1, 4) || way.kind || substr(id, 6), id, way.channel, state, 12, 1,
    CASE WHEN state IN ('failed', 'pending') THEN '503 Service Unavailable' ELSE '' END, closed_at, closed_at,
    CASE WHEN state = 'pending' THEN now() + interval '1 minute' END,
    CASE WHEN state <> 'pending' THEN closed_at + interval '1 second' END
FROM chunk, (VALUES ('\\x16'::bytea, 'webhook'), ('\\x17'::bytea, 'email')) AS way (kind, channel),
    LATERAL (SELECT CASE get_byte(id, 11) WHEN 0 THEN 'pending' WHEN 1 THEN 'failed' WHEN 2 THEN 'stopped'
        WHEN 3 THEN 'void' ELSE 'delivered' END AS state) AS decided
"""

# Four in ten rows are older than the partitions of months, the others are of this month: sign-ins, streams, reminders,
# bans and their reviews, and the rows that workers write.
_TRAIL = f"""
INSERT INTO common_auditentry (id, at, entry_point, actor_id, actor_name, action, target_type, target_id, before, after,
    reason, request_id)
SELECT CASE WHEN n < total * 4 / 10 THEN 1 + n ELSE month_of(now()) * {IDS_PER_MONTH}::bigint + 1 + n END,
    now() - (1 - n::float8 / total) * interval '300 days',
    CASE WHEN kind = 6 THEN 'task' WHEN kind = 5 THEN 'admin' ELSE 'api' END,
    CASE WHEN kind <> 6 THEN {user_id("actor")} END, CASE WHEN kind <> 6 THEN 'user' || actor ELSE '' END,
    (ARRAY['log_in', 'create_stream', 'start_stream', 'set_reminder', 'ban_user', 'review_ban', 'notify_chunk'])[
        1 + kind],
    (ARRAY['session', 'livestream', 'livestream', 'reminder', 'livestreamban', 'livestreamban', 'chunk'])[1 + kind],
    CASE WHEN kind IN (1, 2) THEN {stream_id("(n %% streams)")}
        WHEN kind IN (4, 5) THEN {row_id(3, "(n %% bans)", made_at("(n %% bans)"))}
        ELSE {row_id(18, "n", made_at("n"))} END,
    (ARRAY['{{}}', '{{}}', '{{"status": "scheduled"}}', '{{}}', '{{}}', '{{"review": "unreviewed"}}',
        '{{"state": "waiting"}}'])[1 + kind]::jsonb,
    (ARRAY['{{"ended_at": null}}', '{{"status": "scheduled", "title": "Talk"}}', '{{"status": "active"}}',
        '{{"minute": 15}}', '{{"action_type": "BLOCK", "reason": "spam"}}', '{{"review": "upheld"}}',
        '{{"state": "notified", "notified": 12}}'])[1 + kind]::jsonb,
    CASE WHEN kind = 5 THEN 'The second time this week' ELSE '' END,
    CASE WHEN kind <> 6 THEN lpad(to_hex(n), 32, '0') ELSE '' END
FROM (SELECT n, total, streams, bans, kind, CASE WHEN kind = 5 THEN {hashed(31, MODERATORS)}
        ELSE {hashed(32, 1_048_576)} %% users END AS actor
    FROM (VALUES (%s::bigint, %s::bigint, %s::bigint, %s::bigint)) AS given (total, users, streams, bans),
        generate_series(0, total - 1) AS n, LATERAL (SELECT (ARRAY[0, 0, 0, 0, 1, 2, 3, 3, 4, 4, 5, 6, 6])[
            1 + {hashed(33, 13)}] AS kind) AS drawn) AS changed
"""
_NEXT_ID = f"SELECT setval('{SEQUENCE}', (SELECT max(id) FROM common_auditentry))"


def fill_for_admin(cursor: Any, size: AdminSize) -> None:
    """Insert the rows, at once for all tables. Triggers and foreign keys are not checked."""

    def beside(cursor: Any) -> None:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(_REVIEWS, [])
        cursor.execute(_EVENING, [size.evening, size.rows.users])
        cursor.execute(_ROUNDS, [size.rounds])
        cursor.execute(_TRAIL, [size.audited, size.rows.users, size.rows.streams, size.rows.bans])
        cursor.execute(_NEXT_ID)
        cursor.execute("SET session_replication_role = DEFAULT")

    fill_in_bulk(cursor, size.rows, beside=beside, tables=TABLES)
