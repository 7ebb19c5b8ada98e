"""Indexes for the filters of the audit trail, and the permission to export it.

The table is partitioned, so each index is built concurrently on each partition, and then attached to the one of the
table. An interrupted run can be repeated.
"""

from typing import Any

from django.db import migrations, models
from django.db.models import Q

TABLE = "common_auditentry"
INDEXES = {
    "audit_by_action": "(action, id)",
    "audit_by_time": "(at, id)",
    "audit_by_entry_point": "(entry_point, id) WHERE entry_point IN ('admin', 'command')",
}


def build(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        for name, definition in INDEXES.items():
            # On the table alone it is invalid until every partition has one, and takes no time.
            cursor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY {TABLE} {definition}")
            for partition in _without(cursor, name):
                own = f"{name}{partition.removeprefix(TABLE)}"
                # What an interrupted run left behind is invalid.
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {own}")
                cursor.execute(f"CREATE INDEX CONCURRENTLY {own} ON {partition} {definition}")
                cursor.execute(f"ALTER INDEX {name} ATTACH PARTITION {own}")


def _without(cursor: Any, index: str) -> list[str]:
    """The partitions of the table that have no index which belongs to `index`."""
    cursor.execute(
        """
        SELECT child.inhrelid::regclass::text FROM pg_inherits child
        WHERE child.inhparent = to_regclass(%s) AND NOT EXISTS (
            SELECT FROM pg_inherits part JOIN pg_index own ON own.indexrelid = part.inhrelid
            WHERE part.inhparent = to_regclass(%s) AND own.indrelid = child.inhrelid
        ) ORDER BY 1
        """,
        [TABLE, index],
    )
    return [row[0] for row in cursor.fetchall()]


def remove(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        for name in INDEXES:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("common", "0006_rate_counter")]

    operations = [
        migrations.AlterModelOptions(
            name="auditentry",
            options={
                "default_permissions": ("view",),
                "permissions": [("export_auditentry", "Can export the audit trail")],
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit trail",
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(build, remove)],
            state_operations=[
                migrations.AddIndex("auditentry", models.Index(fields=["action", "id"], name="audit_by_action")),
                migrations.AddIndex("auditentry", models.Index(fields=["at", "id"], name="audit_by_time")),
                migrations.AddIndex(
                    "auditentry",
                    models.Index(
                        fields=["entry_point", "id"],
                        condition=Q(("entry_point__in", ["admin", "command"])),
                        name="audit_by_entry_point",
                    ),
                ),
            ],
        ),
    ]
