from django.db import migrations, models

from common.audit_guard import CREATE_FUNCTION, TRIGGER, create_trigger, enable_trigger

ENTRIES, SEALS = "common_auditentry", "common_auditseal"


class Migration(migrations.Migration):
    dependencies = [("common", "0001_initial")]

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
        # The same function as in 0001, from the place that `doctor` compares it with.
        migrations.RunSQL(CREATE_FUNCTION, migrations.RunSQL.noop),
        migrations.RunSQL(
            [create_trigger(SEALS), enable_trigger(SEALS)],
            f"DROP TRIGGER {TRIGGER} ON {SEALS}",
        ),
        migrations.RunSQL(
            [create_trigger(ENTRIES), enable_trigger(ENTRIES)],
            f"ALTER TABLE {ENTRIES} ENABLE TRIGGER {TRIGGER}",
        ),
    ]
