from typing import Any

from django.db import migrations

GROUP = "Service accounts"
CODENAME = "enforce"


def make_group(apps: Any, schema_editor: Any) -> None:
    """Django makes permissions only after the last migration, and leaves alone those that it finds."""
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="livestreams", model="livestream"
    )
    name = dict(apps.get_model("livestreams", "LiveStream")._meta.permissions)[CODENAME]
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=CODENAME, defaults={"name": name}
    )
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("livestreams", "0006_open_by_begin"),
    ]

    # Reversed, it does nothing: the group keeps its members and permissions.
    operations = [migrations.RunPython(make_group, migrations.RunPython.noop)]
