"""Partition the audit trail by month. It locks the table for a moment, and each step can be repeated."""

from typing import Any

from django.db import migrations, models

from common import partitions
from common.audit_guard import create_trigger, enable_trigger
from common.partitioning import Conversion

TABLE = "common_auditentry"
AUDIT_TRAIL = Conversion(
    TABLE,
    key="id",
    sequence=partitions.SEQUENCE,
    renamed_indexes=["audit_by_target", "audit_by_actor"],
    renamed_constraints=["common_auditentry_pkey"],
    after=[
        f"ALTER TABLE {TABLE} ADD CONSTRAINT {TABLE}_pkey PRIMARY KEY (id)",
        f"CREATE INDEX audit_by_target ON {TABLE} (target_id, id)",
        f"CREATE INDEX audit_by_actor ON {TABLE} (actor_id, id)",
        create_trigger(TABLE),
        enable_trigger(TABLE),
    ],
)


def create_functions(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        partitions.create_functions(cursor)


class Migration(migrations.Migration):
    # A constraint is not validated in the transaction that locks the table.
    atomic = False
    dependencies = [("common", "0003_queue_notifying")]

    operations = [
        migrations.RunPython(create_functions),
        migrations.RunPython(lambda apps, schema_editor: AUDIT_TRAIL.bound()),
        migrations.RunPython(lambda apps, schema_editor: AUDIT_TRAIL.replace()),
        migrations.CreateModel(
            name="AuditArchive",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("file", models.CharField(max_length=100)),
                ("sha256", models.CharField(max_length=64)),
                ("first_id", models.BigIntegerField()),
                ("last_id", models.BigIntegerField(unique=True)),
                ("rows", models.BigIntegerField()),
                ("archived_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "audit archive",
                "verbose_name_plural": "audit archives",
                "default_permissions": (),
            },
        ),
        migrations.RunSQL([create_trigger("common_auditarchive"), enable_trigger("common_auditarchive")]),
    ]
