from typing import Any

from django.db import migrations

# App, model, and what the group may do with it.
HELD = [
    ("accounts", "user", "view_user", "Can view user"),
    ("bans", "appeal", "view_appeal", "Can view appeal"),
    ("bans", "livestreamban", "view_livestreamban", "Can view ban"),
    ("bans", "livestreamban", "change_livestreamban", "Can change ban"),
    ("bans", "livestreamban", "moderate", "Can ban on every stream and review bans"),
    ("common", "auditentry", "view_auditentry", "Can view audit entry"),
    ("livestreams", "livestream", "view_livestream", "Can view stream"),
    ("livestreams", "livestream", "change_livestream", "Can change stream"),
]


def make_moderators(apps: Any, schema_editor: Any) -> None:
    """Django makes permissions only after the last migration, and leaves alone those that it finds."""
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="Moderators")
    for app_label, model, codename, name in HELD:
        kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app_label, model=model)
        permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
            content_type=kind, codename=codename, defaults={"name": name}
        )
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("accounts", "0001_initial"),
        ("common", "0001_initial"),
        ("livestreams", "0001_initial"),
        ("bans", "0001_initial"),
    ]

    # Back: the group stays with its members; nothing but its name remains of the permissions that go.
    operations = [migrations.RunPython(make_moderators, migrations.RunPython.noop)]
