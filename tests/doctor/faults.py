"""Faults of an installation, and the code that `doctor` must report for each. Each is planted into a healthy one.

Faults that need another server have tests of their own: of a replica in tests/replica/test_doctor.py, of a pooler in
tests/commands/test_connection_doctor.py, of a role in tests/test_service_role.py, of a bucket in tests/storage.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
from django.conf import global_settings
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from common import connection_doctor, partitions
from common.models import KeyUse, StoragePlace
from common.secret_keys import running
from common.storage import presence
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Checkpoint, Delivery
from tests.admin.notifying import WEBHOOK, notify_of_start
from tests.commands.test_doctor import GOOD_KEY
from tests.commands.test_doctor_of_reminders import MINUTE, awaited, change
from tests.common.test_audit_guard import ENTRIES, NO_OP, TAMPERING
from tests.common.test_audit_seals import HOUR, SEALS, START, tamper, write
from tests.common.test_partitions import NOTIFICATIONS, notify, remove_months_of_the_future
from tests.conftest import make_user
from tests.doctor.installation import PICTURE, Site
from tests.jobs import store_job, store_worker
from tests.reminders.mail_server import serving_mail
from tests.servers import direct_place
from tests.storage.test_places import note_elsewhere
from tests.streams import make_stream

type Plant = Callable[[Site], object]

CLOSED = {"host": "127.0.0.1", "port": 9, "timeout": 10}  # nothing listens on this port
OTHER_KEY = GOOD_KEY.swapcase()
MAIL = {"email": "reminders.channels.email.EmailChannel"}
State = Delivery.State


def sql(*statements: str) -> Plant:
    return lambda site: site.sql(*statements)


def changed(**settings: Any) -> Plant:
    return lambda site: site.change(**settings)


# --- the database ---------------------------------------------------------------------------------


def no_database(site: Site) -> None:
    site.patch.delitem(connection.settings_dict, "EMBEDDED_DATA_DIR", raising=False)
    for name, value in {"HOST": "127.0.0.1", "PORT": 9}.items():
        site.patch.setitem(connection.settings_dict, name, value)


def old_database(site: Site) -> None:
    # The version of the server cannot be set.
    site.patch.setattr("common.doctor.OLDEST_POSTGRES", 99)


def missing_migration(site: Site) -> None:
    site.committed(
        "DELETE FROM django_migrations WHERE app = 'sessions'",
        undo="INSERT INTO django_migrations (app, name, applied) VALUES ('sessions', '0001_initial', now())",
    )


def later_migration(site: Site) -> None:
    site.committed(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('livestreams', '0099_later', now())",
        undo="DELETE FROM django_migrations WHERE name = '0099_later'",
    )


def wrong_clock(site: Site) -> None:
    name = connection.settings_dict["NAME"]
    site.committed(
        "CREATE SCHEMA skewed",
        "CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
        " AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$",
        f'ALTER DATABASE "{name}" SET search_path = skewed, pg_catalog, public',
        undo=f'ALTER DATABASE "{name}" RESET search_path; DROP SCHEMA skewed CASCADE',
    )


def open_transaction(site: Site) -> None:
    # The age of a transaction cannot be set.
    site.patch.setattr(connection_doctor, "LONGEST_TRANSACTION", timedelta(0))
    site.undo.enter_context(psycopg.connect(**direct_place())).execute("SELECT 1")


def pooler_gone(site: Site) -> None:
    place = {"HOST": "127.0.0.1", "PORT": 9, "EMBEDDED_DATA_DIR": ""}
    site.change(IS_TRANSACTION_POOLED=True, REQUEST_DATABASE=site.settings.REQUEST_DATABASE | place)


def without(kind: str, table: str) -> Plant:
    """Without a constraint of that kind, by its letter in `pg_constraint`. Django has named it."""
    return sql(
        "DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)"
        f" FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype = '{kind}' LIMIT 1); END $$"
    )


def without_index(table: str, column: str) -> Plant:
    return sql(
        "DO $$ BEGIN EXECUTE (SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index"
        f" JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] WHERE indrelid = '{table}'::regclass"
        f" AND attname = '{column}'); END $$"
    )


DATABASE: dict[str, tuple[Plant, str]] = {
    "the database is unreachable": (no_database, "database_unreachable"),
    "the database is too old": (old_database, "database_too_old"),
    "a migration is missing": (missing_migration, "migrations_missing"),
    "a migration of a later version": (later_migration, "migrations_unknown"),
    "the clocks differ": (wrong_clock, "clock_skew"),
    "more connections than the database allows": (changed(DATABASE_POOL_SIZE=1000), "connections_scarce"),
    "a transaction that stays open": (open_transaction, "transaction_long"),
    "the pooler is gone": (pooler_gone, "pooler_unreachable"),
    "an index is missing": (sql("DROP INDEX notification_unread"), "schema_incomplete"),
    "a unique constraint is missing": (
        sql("ALTER TABLE bans_livestreamban DROP CONSTRAINT ban_one_holding_per_person_and_stream"),
        "schema_incomplete",
    ),
    "a check is missing": (
        sql("ALTER TABLE livestreams_livestream DROP CONSTRAINT stream_status_known"), "schema_incomplete"
    ),
    "a foreign key is missing": (without("f", "reminders_reminder"), "schema_incomplete"),
    "a primary key is missing": (without("p", "common_storageplace"), "schema_incomplete"),
    "a column is no longer unique": (without("u", "livestreams_livestream"), "schema_incomplete"),
    "a column has lost its index": (without_index("accounts_refreshedpair", "until"), "schema_incomplete"),
    "an index that was not finished": (
        sql(f"CREATE INDEX unfinished ON ONLY {NOTIFICATIONS} (kind)"), "indexes_invalid"
    ),
    "a constraint that was not validated": (
        sql("ALTER TABLE accounts_user ADD CONSTRAINT planted CHECK (username <> 'creator') NOT VALID"),
        "constraints_unvalidated",
    ),
    "foreign keys are not enforced": (
        sql("ALTER TABLE livestreams_livestream DISABLE TRIGGER ALL"), "triggers_disabled"
    ),
    "jobs are not announced": (sql("ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER"), "triggers_disabled"),
    "the next month has no partition": (lambda site: remove_months_of_the_future(), "partitions_missing"),
    "rows are beyond the last month": (
        lambda site: notify(site.viewer, partitions.begin_of(partitions.partitions_of(NOTIFICATIONS)[-1].first or 0)),
        "partitions_overflowing",
    ),
}  # fmt: skip


# --- the audit trail ------------------------------------------------------------------------------


def tampering(case: str) -> Plant:
    return sql(*(statement.format(table=ENTRIES) for statement in TAMPERING[case][0]))


def tampered(table: str, statement: str) -> Plant:
    def plant(site: Site) -> None:
        site.sql()
        tamper(table, statement)

    return plant


AUDIT: dict[str, tuple[Plant, str]] = {
    "a disabled trigger of the trail": (tampering("a disabled trigger"), "audit_trail_unguarded"),
    "no trigger of the trail": (tampering("no trigger"), "audit_trail_unguarded"),
    "the guarding function does nothing": (sql(NO_OP), "audit_trail_unguarded"),
    "an altered row": (tampered(ENTRIES, f"UPDATE {ENTRIES} SET reason = 'forged'"), "audit_trail_altered"),
    "a removed row": (
        tampered(ENTRIES, f"DELETE FROM {ENTRIES} WHERE id = (SELECT first_id FROM {SEALS})"), "audit_trail_altered"
    ),
    "an altered seal": (tampered(SEALS, f"UPDATE {SEALS} SET rows = rows + 1"), "audit_seals_broken"),
    "rows without a seal": (lambda site: write(site.creator, START + HOUR), "audit_seals_late"),
}  # fmt: skip


# --- jobs and reminders ---------------------------------------------------------------------------


def no_worker(site: Site) -> None:
    site.sql("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")


def lost_job(site: Site) -> None:
    store_job("doing", worker=store_worker(silent_for=HOUR), age=HOUR)


def endless_job(site: Site) -> None:
    store_job("doing", worker=store_worker(), age=30 * HOUR)


def delivery(**fields: Any) -> Plant:
    def plant(site: Site) -> None:
        values = {"last_error": "the receiver answered 500", "attempted_at": timezone.now()} | fields
        change(notify_of_start(make_stream(site.creator), [site.viewer]), **values)

    return plant


def missed_reminders(site: Site) -> None:
    stream = awaited(site.creator, site.viewer, site.now, ago=11 * MINUTE)
    (round_id,) = services.open_due_rounds_of_stream(stream.pk, site.now)
    services.cut_round(round_id, now=site.now)


def mail_server_refuses(site: Site) -> None:
    server = site.undo.enter_context(serving_mail())
    site.change(NOTIFICATION_CHANNELS=MAIL, MAILERS=mailers_at(host="127.0.0.1", port=server.port, use_tls=True))


def mailers_at(**options: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": CLOSED | options}}


REMINDERS: dict[str, tuple[Plant, str]] = {
    "a job has failed": (lambda site: store_job("failed", "gone.tasks.first"), "jobs_failed"),
    "a job that nobody begins": (lambda site: store_job("todo", queue="removed", age=HOUR), "jobs_waiting"),
    "a job whose worker is gone": (lost_job, "jobs_stuck"),
    "a job that does not end": (endless_job, "jobs_stuck"),
    "the worker is silent": (no_worker, "no_worker"),
    "the finder is late": (
        lambda site: Checkpoint.objects.update(found_until=timezone.now() - MINUTE), "dispatch_lagging"
    ),
    "reminders were missed": (missed_reminders, "reminders_missed"),
    "a delivery waits": (delivery(next_attempt_at=timezone.now() - HOUR, last_error=""), "deliveries_late"),
    "a delivery is retried": (
        delivery(attempts=1, next_attempt_at=timezone.now() + HOUR), "deliveries_failing"
    ),
    "a delivery was given up": (
        delivery(state=State.FAILED, closed_at=timezone.now(), next_attempt_at=None), "deliveries_given_up"
    ),
    "the receiver stopped a delivery": (
        delivery(state=State.STOPPED, closed_at=timezone.now(), next_attempt_at=None), "deliveries_stopped"
    ),
    "a private webhook": (
        changed(NOTIFICATION_CHANNELS=WEBHOOK, WEBHOOK_URL="https://10.1.2.3/notices"), "webhook_misconfigured"
    ),
    "no mail server": (changed(NOTIFICATION_CHANNELS=MAIL, MAILERS=mailers_at()), "mail_unreachable"),
    "a mail server without encryption": (mail_server_refuses, "mail_unreachable"),
}  # fmt: skip


# --- pictures -------------------------------------------------------------------------------------


def no_folder(site: Site) -> None:
    (site.folder / "media").write_text("a file where the folder should be")
    site.change(MEDIA_ROOT=site.folder / "media")
    LiveStream.objects.update(thumbnail="")


def renamed_elsewhere(site: Site) -> None:
    presence.note("app-2")
    StoragePlace.objects.filter(host="app-2").update(place="the bucket other")


def full_disk(site: Site) -> None:
    # The free space of the machine cannot be set.
    site.patch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_048_576}))


PICTURES: dict[str, tuple[Plant, str]] = {
    "the folder cannot be written": (no_folder, "storage_unwritable"),
    "the disk is nearly full": (full_disk, "storage_nearly_full"),
    "a picture is missing": (lambda site: default_storage.delete(PICTURE), "pictures_missing"),
    "another machine has its own folder": (lambda site: note_elsewhere(site.folder), "pictures_in_several_folders"),
    "another machine has a bucket": (renamed_elsewhere, "storages_differ"),
}


# --- keys, settings and accounts ------------------------------------------------------------------


def keys_of_host(*keys: str) -> Plant:
    """Another host runs with these keys, the first of which signs."""

    def plant(site: Site) -> None:
        own = site.settings.JWT_SIGNING_KEY
        site.change(JWT_SIGNING_KEY=keys[0], JWT_SIGNING_KEY_FALLBACKS=list(keys[1:]))
        running.note("serve", host="app-2", pid=2)
        site.change(JWT_SIGNING_KEY=own, JWT_SIGNING_KEY_FALLBACKS=[])

    return plant


def own_keys(**settings: Any) -> Plant:
    """All processes have these keys."""

    def plant(site: Site) -> None:
        site.change(**settings)
        running.note("serve", host="app-1", pid=1)

    return plant


def old_key(site: Site) -> None:
    old = site.settings.JWT_SIGNING_KEY
    site.change(JWT_SIGNING_KEY=OTHER_KEY, JWT_SIGNING_KEY_FALLBACKS=[old])
    running.note("serve", host="app-1", pid=1)
    KeyUse.objects.update(last_signed_at=F("last_signed_at") - timedelta(days=31))


def look_alike(site: Site) -> None:
    make_user("аdmin")
    User.objects.filter(pk=make_user("admin").pk).update(is_staff=True)


def demo_password(site: Site) -> None:
    site.change(PASSWORD_HASHERS=global_settings.PASSWORD_HASHERS)
    User.objects.create_superuser("admin", "admin-of-the-demo")


SETTINGS: dict[str, tuple[Plant, str]] = {
    "a short key": (own_keys(SECRET_KEY=GOOD_KEY[:20]), "secret_key_weak"),
    "a key of an example": (own_keys(SECRET_KEY=f"django-insecure-{GOOD_KEY}"), "secret_key_weak"),
    "a repetitive signing key": (own_keys(JWT_SIGNING_KEY="x" * 64), "jwt_signing_key_weak"),
    "a weak old key": (own_keys(SECRET_KEY_FALLBACKS=["short"]), "fallback_key_weak"),
    "one key for both": (own_keys(JWT_SIGNING_KEY=GOOD_KEY), "keys_equal"),
    "two hosts with different keys": (keys_of_host(OTHER_KEY), "keys_differ"),
    "a key that one host accepts": (keys_of_host(GOOD_KEY[::-1], OTHER_KEY), "keys_unequal"),
    "an old key that is still accepted": (old_key, "old_key_accepted"),
    "DEBUG is on": (changed(DEBUG=True), "debug_on"),
    "any host is allowed": (changed(ALLOWED_HOSTS=["*"]), "any_host_allowed"),
    "cookies without TLS": (changed(SECURE=False), "cookies_not_secure"),
    "no address of the proxy": (changed(TRUSTED_PROXIES=[]), "proxies_unknown"),
    "a public address without TLS": (changed(PUBLIC_URL="http://live.example.org"), "public_url_not_https"),
    "public accounts of the playground": (
        changed(PLAYGROUND_ACCOUNTS=[{"role": "creator", "username": "a", "password": "b"}]),
        "playground_accounts_public",
    ),
    "a production server without TLS": (
        changed(PRODUCTION_SERVER_URL="http://live.example.org"), "production_server_not_https"
    ),
    "an origin without TLS": (changed(CORS_ALLOWED_ORIGINS=["http://app.example.org"]), "cors_origin_not_https"),
    "an identity provider that is gone": (
        changed(IDENTITY_JWKS_URL="https://127.0.0.1:9/keys"), "identity_keys_unreadable"
    ),
    "a name like that of staff": (look_alike, "usernames_like_staff"),
    "a name like an id": (
        lambda site: User.objects.filter(pk=site.viewer.pk).update(username="673ac9e2a1b2c3d4e5f60718"),
        "usernames_like_ids",
    ),
    "a password of the demonstration": (demo_password, "demo_password_works"),
}  # fmt: skip

FAULTS = DATABASE | AUDIT | REMINDERS | PICTURES | SETTINGS
