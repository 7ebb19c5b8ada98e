from django.db import migrations

import common.search


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_names"),
    ]

    operations = [
        # With a constant default PostgreSQL adds the column without writing a row.
        migrations.AddField(
            model_name="user",
            name="names_folded",
            field=common.search.FoldedColumn(
                db_default="", default="", editable=False, of=("username", "name", "surname")
            ),
        ),
    ]
