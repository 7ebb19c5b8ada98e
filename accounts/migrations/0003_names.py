"""Usernames in NFKC, with a unique key that is compared in their place.

It changes nothing while two usernames have the same key: it names them and stops. Otherwise it can be stopped at any
moment and run again. The rows are filled in batches, each in a transaction of its own, so that nobody waits for a lock
on the whole table; old server processes can read and log people in meanwhile, but make no users once it is done.
"""

from collections.abc import Iterator
from typing import Any

import django.db.models.deletion
from django.core.management.base import CommandError
from django.db import migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import accounts.fields
from accounts import names

TABLE = "accounts_user"
KEY_TYPE = f"varchar({names.LONGEST_KEY})"
BATCH = 2000
MOST_TOLD = 20

READ = f"SELECT id, username FROM {TABLE} WHERE id > %s ORDER BY id LIMIT {BATCH}"  # noqa: S608 - constants
UNFILLED = f"SELECT id, username FROM {TABLE} WHERE username_key IS NULL LIMIT {BATCH}"  # noqa: S608
LIKE_AN_ID = f"SELECT id, username FROM {TABLE} WHERE username_key ~ '^[0-9a-f]{{24}}$' ORDER BY id"  # noqa: S608
ADD_COLUMN = f"ALTER TABLE {TABLE} ADD COLUMN IF NOT EXISTS username_key {KEY_TYPE}"
FILL = f"""
    UPDATE {TABLE} SET username = filled.username, username_key = filled.key
    FROM unnest(%s::bytea[], %s::text[], %s::text[]) AS filled (id, username, key)
    WHERE {TABLE}.id = filled.id
"""  # noqa: S608 - constants
FINISH = [
    f"ALTER TABLE {TABLE} ALTER COLUMN username_key SET NOT NULL",
    f"ALTER TABLE {TABLE} DROP CONSTRAINT IF EXISTS user_username_key_unique",
    f"ALTER TABLE {TABLE} ADD CONSTRAINT user_username_key_unique UNIQUE (username_key)",
    "DROP INDEX IF EXISTS user_username_unique",
    "DROP INDEX IF EXISTS user_staff",
    f"CREATE INDEX user_staff ON {TABLE} (id) WHERE (is_staff OR is_superuser)",
]
UNDO = [
    f"CREATE UNIQUE INDEX IF NOT EXISTS user_username_unique ON {TABLE} (lower(username))",
    "DROP INDEX IF EXISTS user_staff",
    f"ALTER TABLE {TABLE} DROP COLUMN IF EXISTS username_key",
]
HOW_TO_RENAME = f"""UPDATE {TABLE} SET username = 'another.name' WHERE id = '\\xTHE_ID';"""  # noqa: S608 - shown


def refuse_clashes(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Raises CommandError that names the users whose usernames would become the same."""
    seen: set[int] = set()
    twice: set[int] = set()
    for _, username in all_names(editor):
        # Hashes, so that a million names take a hundred megabytes less. That two differ in spite of it shows below.
        key = hash(names.normalized(username))
        (twice if key in seen else seen).add(key)
    if not twice:
        return
    clashing: dict[str, list[str]] = {}
    for pk, username in all_names(editor):
        key = names.normalized(username)
        if hash(key) in twice:
            clashing.setdefault(key, []).append(f"{username} (id {pk})")
    told = [", ".join(users) for users in clashing.values() if len(users) > 1]
    if told:
        more = f"\n  and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        raise CommandError(
            "These usernames become the same when letters are compared in NFKC and without case:\n  "
            + "\n  ".join(told[:MOST_TOLD])
            + f"{more}\nNothing has been changed. Decide who keeps each name, give the others another one, tell them, "
            f"and run migrate again:\n  {HOW_TO_RENAME}"
        )


def all_names(editor: BaseDatabaseSchemaEditor) -> Iterator[tuple[str, str]]:
    """Id and username of every user, in order of the ids; read in batches."""
    after = b""
    while rows := fetched(editor, READ, after):
        yield from ((bytes(pk).hex(), username) for pk, username in rows)
        after = bytes(rows[-1][0])


def fetched(editor: BaseDatabaseSchemaEditor, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with editor.connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    while fill_batch(editor):
        pass
    with transaction.atomic(using=editor.connection.alias):
        # Old server processes may have made users since. From here on they wait, and fail when it is done.
        editor.execute(f"LOCK TABLE {TABLE} IN SHARE ROW EXCLUSIVE MODE")
        while fill_batch(editor):
            pass
        for statement in FINISH:
            editor.execute(statement)


def fill_batch(editor: BaseDatabaseSchemaEditor) -> bool:
    """Whether there was something left."""
    rows = fetched(editor, UNFILLED)
    with editor.connection.cursor() as cursor:
        if rows:
            ids = [bytes(pk) for pk, _ in rows]
            stored = [names.stored(username) for _, username in rows]
            cursor.execute(FILL, (ids, stored, [names.normalized(username) for username in stored]))
    return bool(rows)


def tell_odd_names(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Names that nobody may take any more stay with those who have them; `doctor` goes on naming them."""
    found = fetched(editor, LIKE_AN_ID)
    for pk, username in found[:MOST_TOLD]:
        print(f"\n  username that looks like an id: {username} (id {bytes(pk).hex()})", end="")  # noqa: T201


def undo(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in UNDO:
        editor.execute(statement)


STATE = [
    migrations.AlterField(
        model_name="user",
        name="username",
        field=accounts.fields.UsernameField(
            max_length=150, unique=True, validators=[names.validate], verbose_name="username"
        ),
    ),
    migrations.AddField(
        model_name="user",
        name="username_key",
        field=accounts.fields.UsernameKeyField(editable=False, max_length=450),
        preserve_default=False,
    ),
    migrations.RemoveConstraint(model_name="user", name="user_username_unique"),
    migrations.AddConstraint(
        model_name="user",
        constraint=models.UniqueConstraint(
            fields=("username_key",),
            name="user_username_key_unique",
            violation_error_message="A user with that username already exists.",
        ),
    ),
    migrations.AddIndex(
        model_name="user",
        index=models.Index(
            condition=models.Q(("is_staff", True), ("is_superuser", True), _connector="OR"),
            fields=["id"],
            name="user_staff",
        ),
    ),
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0002_login_limits_and_session_epoch")]

    operations = [
        migrations.RunPython(refuse_clashes, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunSQL(ADD_COLUMN, migrations.RunSQL.noop),
                migrations.RunPython(fill, undo),
            ],
            STATE,
        ),
        migrations.RunPython(tell_odd_names, migrations.RunPython.noop),
        migrations.CreateModel(
            name="RefreshedPair",
            fields=[
                ("refresh_id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("pair", models.BinaryField()),
                ("until", models.DateTimeField(db_index=True)),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.session"
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
    ]
