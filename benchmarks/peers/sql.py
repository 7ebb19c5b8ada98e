"""The statements of the measured requests, equal to Kumanda's but for shorter aliases."""

from functools import lru_cache
from typing import NamedTuple

from psycopg.sql import Literal

USER = """
    SELECT u.id, u.username, u.is_staff, u.is_superuser, u.is_active, u.identity_issuer
    FROM accounts_user u JOIN accounts_session s ON s.user_id = u.id
    WHERE u.is_active AND u.id = %s AND s.ended_at IS NULL AND s.id = %s
"""
COLUMNS = """
    s.id, s.title, s.type, s.channel_name, s.thumbnail, s.status, s.price, s.interest, s.duration_goal,
    s.motivation, s.planned_start_at, s.started_at, s.ended_at, s.deleted_at, s.deleted_by_id, s.created_at,
    s.updated_at,
    c.id, c.username, c.name, c.surname, c.availability_status,
    cp.id, cp.file, cp.type, cp.variants, cp.created_at, cp.updated_at,
    g.id, g.username, g.name, g.surname, g.availability_status,
    gp.id, gp.file, gp.type, gp.variants, gp.created_at, gp.updated_at,
    s.guest_status
"""
FROM = """
    FROM livestreams_livestream s
    JOIN accounts_user c ON c.id = s.creator_id LEFT JOIN accounts_media cp ON cp.id = c.profile_photo_id
    LEFT JOIN accounts_user g ON g.id = s.guest_id LEFT JOIN accounts_media gp ON gp.id = g.profile_photo_id
"""
STREAM = f"SELECT {COLUMNS} {FROM} WHERE s.deleted_at IS NULL AND s.id = %s"
RESTRICTION = """
    SELECT JSON_OBJECT('action' VALUE b.action_type, 'reason' VALUE b.reason, 'until' VALUE b.expires_at
        RETURNING JSONB)
    FROM bans_livestreamban b
    WHERE b.deleted_at IS NULL AND (b.expires_at IS NULL OR b.expires_at > %s)
        AND b.stream_id = s.id AND b.target_id = %s LIMIT 1
"""
SEEN = f"""
    SELECT {COLUMNS}, ({RESTRICTION})
    {FROM} WHERE s.deleted_at IS NULL AND s.id = %s
"""
# Totals are counted up to one more than is answered.
EXACT_UP_TO = 10_000


class Page(NamedTuple):
    """A list: the ids of a page are found first, then their rows are joined.

    `table` is the alias of the listed table, `wanted` the query of the ids. Constants are literals, not parameters, as
    in Kumanda, so that PostgreSQL keeps one generic plan.
    """

    columns: str
    tables: str
    table: str
    wanted: str

    def limited(self, limit: int, offset: int) -> str:
        skipped = f" OFFSET {offset:d}" if offset else ""
        newest = f"{self.table}.created_at DESC, {self.table}.id DESC"
        return f"""
            SELECT {self.columns}, (SELECT count(*) FROM ({self.wanted} LIMIT {EXACT_UP_TO + 1}) AS counted)
            {self.tables}
            WHERE {self.table}.id IN ({self.wanted} ORDER BY {newest} LIMIT {limit:d}{skipped}) ORDER BY {newest}
        """


def streams_page(wanted: str) -> Page:
    ids = f"SELECT s.id FROM livestreams_livestream s WHERE s.deleted_at IS NULL AND s.{wanted}"
    return Page(COLUMNS, FROM, "s", ids)


BY_CREATOR = streams_page("creator_id = %s")
CREATOR = "SELECT creator_id FROM livestreams_livestream WHERE deleted_at IS NULL AND id = %s"
LOCK = """
    SELECT id, created_at, updated_at, deleted_at, deleted_by_id, title, title_folded, type, channel_name, creator_id,
        guest_id, thumbnail, status, price, interest, duration_goal, motivation, planned_start_at, plan_set_at,
        revision, started_at, ended_at, guest_status
    FROM livestreams_livestream WHERE id = %s FOR NO KEY UPDATE
"""
CANCEL = "UPDATE livestreams_livestream SET status = %s, updated_at = %s, revision = %s WHERE id = %s"
START = """
    UPDATE livestreams_livestream SET status = %s, started_at = %s, updated_at = %s, revision = %s WHERE id = %s
"""
TAKE_LOCK = "SELECT pg_advisory_xact_lock(%s)"
SHARE_LOCK = "SELECT pg_advisory_xact_lock_shared(%s)"
AWAITED = "SELECT 1 FROM reminders_reminder WHERE stream_id = %s LIMIT 1"
RECORD = """
    INSERT INTO common_auditentry
        (at, entry_point, actor_id, actor_name, action, target_type, target_id, before, after, reason, request_id)
    VALUES (%s, 'api', %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, '', %s)
"""
CANCEL_AND_RECORD = f"WITH changed AS ({CANCEL}) {RECORD}"
START_AND_RECORD = f"WITH changed AS ({START}) {RECORD}"
JOINED = """
    INSERT INTO edges_participant AS known (id, stream_id, user_id, first_seen_at, last_seen_at)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (stream_id, user_id) DO UPDATE SET last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
"""

HOLDER = """
    SELECT h.id FROM accounts_user h
    WHERE (EXISTS(
        SELECT 1 FROM auth_permission p
        LEFT JOIN auth_group_permissions gp ON gp.permission_id = p.id LEFT JOIN auth_group g ON g.id = gp.group_id
        LEFT JOIN accounts_user_groups ug ON ug.group_id = g.id
        LEFT JOIN accounts_user_user_permissions up ON up.permission_id = p.id
        JOIN django_content_type t ON t.id = p.content_type_id
        WHERE (ug.user_id = h.id OR up.user_id = h.id) AND p.codename = '{codename}' AND t.app_label = '{app}' LIMIT 1
    ) OR h.is_superuser) AND h.is_active AND h.id = %s
"""
MODERATOR = HOLDER.format(codename="moderate", app="bans").replace("h.id = %s", "h.id = u.id")
MODERATES = HOLDER.format(app="bans", codename="moderate")
ENFORCES = HOLDER.format(app="livestreams", codename="enforce")
HOLDS = "b.deleted_at IS NULL AND (b.expires_at IS NULL OR b.expires_at > %s)"
BAN_COLUMNS = """
    b.id, b.stream_id, b.action_type, b.reason, b.created_by_id, b.deleted_at, b.deleted_by_id, b.created_at,
    b.updated_at, b.expires_at,
    u.id, u.username, u.name, u.surname, u.availability_status,
    up.id, up.file, up.type, up.variants, up.created_at, up.updated_at
"""
BAN_FROM = """
    FROM bans_livestreamban b JOIN livestreams_livestream s ON s.id = b.stream_id
    JOIN accounts_user u ON u.id = b.target_id LEFT JOIN accounts_media up ON up.id = u.profile_photo_id
"""
LISTED_FROM = """
    FROM bans_livestreamban b
    JOIN accounts_user u ON u.id = b.target_id LEFT JOIN accounts_media up ON up.id = u.profile_photo_id
"""
BAN = f"SELECT {BAN_COLUMNS}, s.creator_id {BAN_FROM} WHERE b.id = %s"
CHECKED = f"""
    SELECT s.creator_id, EXISTS({MODERATES} LIMIT 1) OR EXISTS({ENFORCES} LIMIT 1),
        (SELECT b.id FROM bans_livestreamban b WHERE {HOLDS} AND b.stream_id = %s AND b.target_id = %s LIMIT 1)
    FROM livestreams_livestream s WHERE s.deleted_at IS NULL AND s.id = %s
"""
LISTED = f"""
    {HOLDS} AND NOT EXISTS(
        SELECT 1 FROM livestreams_livestream d WHERE d.deleted_at IS NOT NULL AND d.id = b.stream_id LIMIT 1
    )
"""
ALL_BANS = Page(BAN_COLUMNS, LISTED_FROM, "b", f"SELECT b.id FROM bans_livestreamban b WHERE {LISTED}")
BANS_OF_CREATOR = ALL_BANS._replace(
    wanted=f"""
        SELECT b.id FROM bans_livestreamban b JOIN livestreams_livestream s ON s.id = b.stream_id
        WHERE {LISTED} AND s.creator_id = %s
    """
)
LOCK_BAN = """
    SELECT id, created_at, updated_at, deleted_at, deleted_by_id, stream_id, target_id, action_type, reason, expires_at,
        created_by_id, batch_id, review, reviewed_by_id, reviewed_at
    FROM bans_livestreamban WHERE id = %s AND stream_id = %s FOR NO KEY UPDATE
"""
LIFT = "UPDATE bans_livestreamban SET updated_at = %s, deleted_at = %s, deleted_by_id = %s WHERE id = %s"
REVOKE = """
    INSERT INTO edges_revocation (stream_id, user_id, action, until, at)
    SELECT stream.id, revoked.user_id, revoked.action, revoked.until, %s
    FROM (SELECT id FROM livestreams_livestream WHERE id = %s FOR NO KEY UPDATE) AS stream,
        unnest(%s::bytea[], %s::text[], %s::timestamptz[]) AS revoked(user_id, action, until)
    RETURNING pg_notify('edges_revocations', %s)
"""
PENDING = """
    SELECT id, created_at, updated_at, ban_id, text, state FROM bans_appeal WHERE ban_id = %s AND state = 'pending'
"""
LIFT_AND_RECORD = f"WITH changed AS ({LIFT}), noted AS ({RECORD}), revoked AS ({REVOKE}) {PENDING}"
TARGET = f"""
    SELECT u.*, u.is_staff OR u.is_superuser OR EXISTS({MODERATOR} LIMIT 1), EXISTS(
        SELECT 1 FROM bans_livestreamban b WHERE {HOLDS} AND b.stream_id = %s AND b.target_id = u.id LIMIT 1
    )
    FROM accounts_user u WHERE u.id = %s
"""
MAKE_BAN = """
    INSERT INTO bans_livestreamban (id, created_at, updated_at, deleted_at, deleted_by_id, stream_id, target_id,
        action_type, reason, expires_at, created_by_id, batch_id, review, reviewed_by_id, reviewed_at)
    VALUES (%s, %s, %s, NULL, NULL, %s, %s, %s, %s, NULL, %s, NULL, 'unreviewed', NULL, NULL)
"""
BAN_AND_RECORD = f"WITH made AS ({MAKE_BAN}), noted AS ({RECORD}) {REVOKE}"

STREAM_TO_REMIND_OF = f"""
    SELECT s.status, s.planned_start_at, s.plan_set_at, EXISTS(
        SELECT 1 FROM reminders_notification n
        WHERE (n.kind = 'reminder' AND n.planned_start_at = s.planned_start_at OR n.kind = 'live')
            AND n.stream_id = s.id AND n.user_id = %s LIMIT 1
    ), ({RESTRICTION})
    FROM livestreams_livestream s WHERE s.deleted_at IS NULL AND s.id = %s
"""
SET = """
    WITH old AS MATERIALIZED (
        SELECT id, minute, language FROM reminders_reminder
        WHERE stream_id = %(stream)s AND user_id = %(user)s FOR UPDATE
    ),
    taken AS (
        SELECT FROM reminders_round WHERE kind = 'reminder' AND stream_id = %(stream)s AND minute = %(lead)s
            AND planned_start_at = %(planned)s
    ),
    replaced AS (
        UPDATE reminders_reminder AS known SET minute = %(minute)s::smallint, language = %(language)s,
            updated_at = greatest(known.updated_at, %(now)s)
        FROM old
        WHERE known.id = old.id AND NOT EXISTS (SELECT FROM taken)
            AND (known.minute, known.language) IS DISTINCT FROM (%(minute)s::smallint, %(language)s)
        RETURNING known.id
    ),
    made AS (
        INSERT INTO reminders_reminder (id, stream_id, user_id, minute, language, created_at, updated_at)
        SELECT %(id)s, %(stream)s, %(user)s, %(minute)s::smallint, %(language)s, %(now)s, %(now)s
        WHERE NOT EXISTS (SELECT FROM taken) AND NOT EXISTS (SELECT FROM old)
        ON CONFLICT DO NOTHING
        RETURNING id
    ),
    written AS (SELECT id FROM made UNION ALL SELECT id FROM replaced),
    lead AS (
        INSERT INTO reminders_leadtime (stream_id, minute)
        SELECT %(stream)s, %(lead)s::smallint FROM written WHERE %(lead)s > 0 ON CONFLICT DO NOTHING
    )
    SELECT (SELECT id FROM written), (SELECT minute FROM old), (SELECT language FROM old),
        EXISTS (SELECT FROM taken)
"""


@lru_cache
def by_status(status: str) -> Page:
    return streams_page(f"status = {Literal(status).as_string()}")
