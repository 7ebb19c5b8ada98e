from django.db import migrations, models


class Migration(migrations.Migration):
    """The default is stored once for all rows that exist, so no row is written, and the lock is held for a moment.

    Servers of the version before insert rows without the column.
    """

    dependencies = [("common", "0009_last_write")]

    operations = [
        migrations.AddField(
            "auditentry",
            "client_address",
            models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
