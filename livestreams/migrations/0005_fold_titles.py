from typing import Any

from django.db import migrations

import common.search


def fold(apps: Any, schema_editor: Any) -> None:
    model = apps.get_model("livestreams", "LiveStream")
    common.search.fold_again(model, "title_folded", using=schema_editor.connection.alias)


class Migration(migrations.Migration):
    # Each batch of rows is a transaction of its own. A run that was stopped is repeated, and changes what is left.
    atomic = False

    dependencies = [
        ("livestreams", "0004_title_folded_without_limit"),
    ]

    operations = [
        migrations.RunPython(fold, migrations.RunPython.noop),
    ]
