from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import common.fields


def let_moderators_see_cases(apps: Any, schema_editor: Any) -> None:
    """Django makes permissions only after the last migration, and leaves alone those that it finds."""
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="bans", model="reportcase")
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename="view_reportcase", defaults={"name": "Can view case"}
    )
    # An installation may have renamed or removed the group.
    for group in apps.get_model("auth", "Group").objects.filter(name="Moderators"):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("bans", "0004_appeal_lists"),
        ("livestreams", "0004_live_and_deleted"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ReportCase",
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
                    "state",
                    models.CharField(
                        choices=[("open", "open"), ("dismissed", "dismissed"), ("acted_on", "acted on")],
                        default="open",
                        editable=False,
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("report_count", models.PositiveIntegerField(editable=False, verbose_name="number of reports")),
                ("reasons", models.JSONField(editable=False, verbose_name="reasons")),
                ("decided_at", models.DateTimeField(editable=False, null=True, verbose_name="decided")),
                (
                    "decision",
                    models.CharField(blank=True, editable=False, max_length=500, verbose_name="text of the decision"),
                ),
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
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="report_cases",
                        to="livestreams.livestream",
                        verbose_name="stream",
                    ),
                ),
            ],
            options={
                "verbose_name": "case",
                "verbose_name_plural": "cases",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Report",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("reason", models.CharField(max_length=30)),
                ("comment", models.CharField(max_length=500, null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "reporter",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="livestreams.livestream",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reports",
                        to="bans.reportcase",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="reportcase",
            index=models.Index(fields=["stream", "-created_at", "-id"], name="report_case_by_stream"),
        ),
        migrations.AddIndex(
            model_name="reportcase",
            index=models.Index(
                models.OrderBy(models.F("decided_at"), descending=True, nulls_first=True),
                models.OrderBy(models.F("report_count"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="report_case_queue",
            ),
        ),
        migrations.AddConstraint(
            model_name="reportcase",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")), fields=("stream",), name="report_case_one_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="reportcase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("decided_by__isnull", True), ("state", "open")),
                    models.Q(
                        models.Q(("state", "open"), _negated=True),
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="report_case_has_its_decision",
            ),
        ),
        migrations.AddIndex(
            model_name="report",
            index=models.Index(fields=["case", "-created_at", "-id"], name="report_by_case"),
        ),
        migrations.AddIndex(
            model_name="report",
            index=models.Index(fields=["stream", "reporter"], name="report_by_stream"),
        ),
        migrations.AddIndex(
            model_name="report",
            index=models.Index(fields=["reporter", "-created_at", "-id"], name="report_by_reporter"),
        ),
        migrations.AddConstraint(
            model_name="report",
            constraint=models.UniqueConstraint(fields=("case", "reporter"), name="report_once_in_a_case"),
        ),
        migrations.RunPython(let_moderators_see_cases, migrations.RunPython.noop),
    ]
