from typing import Any

from django.db import migrations

# "app.model codename" of each permission. What an installation added to a group stays; nothing is taken away.
MODERATORS = (
    "accounts.user view_user",
    "accounts.personnote view_personnote",
    "accounts.personnote add_personnote",
    "bans.appeal view_appeal",
    "bans.livestreamban view_livestreamban",
    "bans.livestreamban change_livestreamban",
    "bans.livestreamban moderate",
    "bans.bulkrequest view_bulkrequest",
    "bans.reportcase view_reportcase",
    "common.auditentry view_auditentry",
    "livestreams.livestream view_livestream",
    "livestreams.livestream change_livestream",
)
SENIOR_MODERATORS = (
    *MODERATORS,
    "accounts.session view_session",
    "accounts.user change_user",
    "bans.livestreamban overrule",
    "bans.livestreamban view_team_figures",
    "common.auditentry export_auditentry",
)
OPS = (
    "accounts.user view_user",
    "accounts.user change_user",
    "accounts.session view_session",
    "accounts.personnote view_personnote",
    "bans.appeal view_appeal",
    "bans.livestreamban view_livestreamban",
    "bans.bulkrequest view_bulkrequest",
    "bans.reportcase view_reportcase",
    "common.auditentry view_auditentry",
    "common.auditentry export_auditentry",
    "livestreams.livestream view_livestream",
    "livestreams.livestream change_livestream",
    "reminders.reminder view_reminder",
    "reminders.round view_round",
    "reminders.chunk view_chunk",
    "reminders.delivery view_delivery",
    "reminders.delivery change_delivery",
)
ROLES = {"Moderators": MODERATORS, "Senior moderators": SENIOR_MODERATORS, "Ops": OPS}


def make_roles(apps: Any, schema_editor: Any) -> None:
    """Django makes permissions only after the last migration, and leaves alone those that it finds."""
    groups = apps.get_model("auth", "Group").objects
    for name, held in ROLES.items():
        if name == "Moderators":
            # bans.0002 made it. An installation may have renamed or removed it since.
            group = groups.filter(name=name).first()
        else:
            group, _ = groups.get_or_create(name=name)
        if group is not None:
            group.permissions.add(*(_permission(apps, *each.split()) for each in held))


def _permission(apps: Any, label: str, codename: str) -> Any:
    app_label, model_name = label.split(".")
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app_label, model=model_name)
    options = apps.get_model(app_label, model_name)._meta
    # As Django names it.
    usual = f"Can {codename.partition('_')[0]} {options.verbose_name_raw}"
    name = dict(options.permissions).get(codename, usual)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": name}
    )
    return permission


class Migration(migrations.Migration):
    # In the highest app, because a role has permissions of all of them.
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("accounts", "0004_person_notes"),
        ("bans", "0010_bulk_requests"),
        ("common", "0007_audit_trail_filters"),
        ("livestreams", "0001_initial"),
        ("reminders", "0006_verdict_notices"),
    ]

    # Reversed, it does nothing: the groups keep their members and permissions.
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
