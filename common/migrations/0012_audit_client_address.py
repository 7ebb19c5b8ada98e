from django.db import migrations, models

from common.audit_guard import CREATE_FIRST_REDACTING, CREATE_REDACTING


class Migration(migrations.Migration):
    """The default is stored once for all rows that exist, so no row is written, and the lock is held for a moment.

    Servers of the version before insert rows without the column. Erasures empty it.
    """

    dependencies = [("common", "0010_audit_redaction"), ("common", "0011_running_keys")]

    operations = [
        migrations.AddField(
            "auditentry",
            "client_address",
            models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.RunSQL(CREATE_REDACTING, CREATE_FIRST_REDACTING),
    ]
