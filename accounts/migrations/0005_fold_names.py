from typing import Any

from django.db import migrations

import common.search


def fold(apps: Any, schema_editor: Any) -> None:
    common.search.fold_again(apps.get_model("accounts", "User"), "names_folded", using=schema_editor.connection.alias)


class Migration(migrations.Migration):
    # Each batch of rows is a transaction of its own. A run that was stopped is repeated, and changes what is left.
    atomic = False

    dependencies = [
        ("accounts", "0004_user_names_folded"),
    ]

    operations = [
        migrations.RunPython(fold, migrations.RunPython.noop),
    ]
