from django.db import migrations, models

import common.fields
from common.audit_guard import CREATE_FUNCTION, FUNCTION, TRIGGER, create_trigger, enable_trigger


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("hour", models.DateTimeField()),
                ("first_id", models.BigIntegerField()),
                ("last_id", models.BigIntegerField(unique=True)),
                ("rows", models.BigIntegerField()),
                ("rows_digest", models.CharField(max_length=64)),
                ("digest", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "audit seal",
                "verbose_name_plural": "audit seals",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                (
                    "door",
                    models.CharField(
                        choices=[("api", "api"), ("admin", "admin"), ("command", "command"), ("task", "task")],
                        max_length=10,
                    ),
                ),
                ("actor_id", common.fields.ObjectIdField(null=True)),
                ("actor_name", models.CharField(max_length=150)),
                ("action", models.CharField(max_length=50)),
                ("target_type", models.CharField(max_length=50)),
                ("target_id", common.fields.ObjectIdField()),
                ("before", models.JSONField()),
                ("after", models.JSONField()),
                ("reason", models.TextField(blank=True)),
                ("request_id", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit trail",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["target_id", "id"], name="audit_by_target"),
                    models.Index(fields=["actor_id", "id"], name="audit_by_actor"),
                ],
            },
        ),
        # What a person with the application's own database account must not be able to do by mistake or in haste.
        migrations.RunSQL(CREATE_FUNCTION, f"DROP FUNCTION {FUNCTION}()"),
        *(
            migrations.RunSQL([create_trigger(table), enable_trigger(table)], f"DROP TRIGGER {TRIGGER} ON {table}")
            for table in ("common_auditentry", "common_auditseal")
        ),
    ]
