from django.db import migrations, models

import common.fields
from common.audit_guard import (
    CREATE_FIRST_REDACTING,
    CREATE_FUNCTION,
    CREATE_GUARDING,
    REDACTING,
    create_trigger,
    enable_trigger,
)


class Migration(migrations.Migration):
    dependencies = [("common", "0009_last_write")]

    operations = [
        migrations.CreateModel(
            name="AuditRedaction",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("person", common.fields.ObjectIdField()),
                ("seal", models.BigIntegerField(null=True)),
                ("archive", models.BigIntegerField(null=True)),
                ("file", models.CharField(blank=True, max_length=100)),
                ("rows", models.BigIntegerField()),
                ("old_digest", models.CharField(max_length=64)),
                ("new_digest", models.CharField(max_length=64)),
                ("digest", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "audit redaction",
                "verbose_name_plural": "audit redactions",
                "default_permissions": (),
            },
        ),
        migrations.RunSQL(
            [create_trigger("common_auditredaction"), enable_trigger("common_auditredaction")],
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(CREATE_FIRST_REDACTING, f"DROP FUNCTION {REDACTING}"),
        migrations.RunSQL(CREATE_GUARDING, CREATE_FUNCTION),
    ]
