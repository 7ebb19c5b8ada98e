from django.db import migrations

import common.search


class Migration(migrations.Migration):
    dependencies = [
        ("livestreams", "0003_plan"),
    ]

    operations = [
        # From varchar to text PostgreSQL writes no row and keeps the index.
        migrations.AlterField(
            model_name="livestream",
            name="title_folded",
            field=common.search.FoldedColumn(db_default="", default="", editable=False, of=("title",)),
        ),
    ]
