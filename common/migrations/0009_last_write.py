from django.db import migrations, models

import common.fields


class Migration(migrations.Migration):
    dependencies = [("common", "0008_storage_place")]

    operations = [
        migrations.CreateModel(
            name="LastWrite",
            fields=[
                ("caller", common.fields.ObjectIdField(primary_key=True, serialize=False)),
                ("lsn", models.BigIntegerField()),
                ("written_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        # Each change updates a row in place: HOT updates need free space in its page.
        migrations.RunSQL(
            [
                "ALTER TABLE common_lastwrite SET UNLOGGED",
                "ALTER TABLE common_lastwrite SET (fillfactor = 50)",
            ],
            migrations.RunSQL.noop,
        ),
    ]
