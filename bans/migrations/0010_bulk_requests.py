from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import common.fields


def let_moderators_see_requests(apps: Any, schema_editor: Any) -> None:
    """Django makes permissions only after the last migration, and leaves alone those that it finds."""
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="bans", model="bulkrequest")
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename="view_bulkrequest", defaults={"name": "Can view bulk request"}
    )
    # An installation may have renamed or removed the group.
    for group in apps.get_model("auth", "Group").objects.filter(name="Moderators"):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("bans", "0009_bans_by_hour"),
        ("livestreams", "0004_live_and_deleted"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkRequest",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                (
                    "action",
                    models.CharField(
                        choices=[("ban", "ban"), ("undo", "undo a bulk ban"), ("review", "lift by a verdict")],
                        editable=False,
                        max_length=10,
                        verbose_name="what",
                    ),
                ),
                ("payload", models.JSONField(editable=False)),
                ("people", models.PositiveIntegerField(editable=False, verbose_name="people")),
                ("expires_at", models.DateTimeField(editable=False, verbose_name="expires")),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "pending"), ("approved", "approved"), ("rejected", "rejected")],
                        default="pending",
                        editable=False,
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("decided_at", models.DateTimeField(editable=False, null=True, verbose_name="decided")),
                ("batch_id", common.fields.ObjectIdField(editable=False, null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="decided by",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="livestreams.livestream",
                        verbose_name="stream",
                    ),
                ),
            ],
            options={
                "verbose_name": "bulk request",
                "verbose_name_plural": "bulk requests",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["stream", "-created_at", "-id"], name="bulk_request_by_stream"),
                    models.Index(fields=["state", "-created_at", "-id"], name="bulk_request_by_state"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", True), ("decided_by__isnull", True), ("state", "pending")),
                            models.Q(
                                models.Q(("state", "pending"), _negated=True),
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="bulk_request_has_its_decision",
                    )
                ],
            },
        ),
        migrations.RunPython(let_moderators_see_requests, migrations.RunPython.noop),
    ]
