import django.contrib.postgres.constraints
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import BtreeGistExtension
from django.db import migrations, models

import bans.models
import common.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("livestreams", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # For ids in an exclusion constraint.
        BtreeGistExtension(),
        migrations.CreateModel(
            name="LiveStreamBan",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                ("deleted_at", models.DateTimeField(editable=False, null=True)),
                (
                    "action_type",
                    models.CharField(
                        choices=[("BLOCK", "may not watch"), ("CHAT_ONLY", "may not write")],
                        default="BLOCK",
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500, null=True, verbose_name="reason")),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="ends")),
                ("batch_id", common.fields.ObjectIdField(editable=False, null=True)),
                (
                    "review",
                    models.CharField(
                        choices=[
                            ("unreviewed", "unreviewed"),
                            ("upheld", "upheld"),
                            ("changed", "changed"),
                            ("lifted", "lifted"),
                        ],
                        default="unreviewed",
                        editable=False,
                        max_length=10,
                        verbose_name="review",
                    ),
                ),
                ("reviewed_at", models.DateTimeField(editable=False, null=True, verbose_name="reviewed")),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="banned by",
                    ),
                ),
                (
                    "deleted_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "reviewed_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="reviewed by",
                    ),
                ),
                (
                    "stream",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bans",
                        to="livestreams.livestream",
                        verbose_name="stream",
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="banned person",
                    ),
                ),
            ],
            options={
                "verbose_name": "ban",
                "verbose_name_plural": "bans",
                "permissions": [("moderate", "Can ban on every stream and review bans")],
                "default_permissions": ("view", "change"),
            },
        ),
        migrations.CreateModel(
            name="Appeal",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                ("text", models.CharField(max_length=500, verbose_name="text")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("approved", "approved"),
                            ("denied", "denied"),
                            ("withdrawn", "withdrawn"),
                        ],
                        default="pending",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "ban",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="appeal", to="bans.livestreamban"
                    ),
                ),
            ],
            options={
                "verbose_name": "appeal",
                "verbose_name_plural": "appeals",
                "default_permissions": ("view",),
            },
        ),
        migrations.AddIndex(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["stream", "target"],
                include=("expires_at", "id"),
                name="ban_check",
            ),
        ),
        migrations.AddIndex(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)), fields=["-created_at", "-id"], name="ban_newest"
            ),
        ),
        migrations.AddIndex(
            model_name="livestreamban",
            index=models.Index(fields=["target", "-created_at", "-id"], name="ban_by_target"),
        ),
        migrations.AddIndex(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(("batch_id__isnull", False)), fields=["batch_id"], name="ban_by_batch"
            ),
        ),
        migrations.AddIndex(
            model_name="livestreamban",
            index=models.Index(fields=["review", "-created_at", "-id"], name="ban_by_review"),
        ),
        migrations.AddConstraint(
            model_name="livestreamban",
            constraint=models.CheckConstraint(
                condition=models.Q(("deleted_at__isnull", False), ("deleted_by__isnull", True), _connector="OR"),
                name="bans_livestreamban_deleted_by_needs_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="livestreamban",
            constraint=models.CheckConstraint(
                condition=models.Q(("target", models.F("created_by")), _negated=True), name="ban_not_of_oneself"
            ),
        ),
        migrations.AddConstraint(
            model_name="livestreamban",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("expires_at__isnull", True), ("expires_at__gt", models.F("created_at")), _connector="OR"
                ),
                name="ban_ends_after_it_began",
            ),
        ),
        migrations.AddConstraint(
            model_name="livestreamban",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("review", "unreviewed"), ("reviewed_at__isnull", True), ("reviewed_by__isnull", True)),
                    models.Q(
                        models.Q(("review", "unreviewed"), _negated=True),
                        ("reviewed_at__isnull", False),
                        ("reviewed_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="ban_review_has_its_reviewer",
            ),
        ),
        migrations.AddConstraint(
            model_name="livestreamban",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("deleted_at__isnull", True)),
                expressions=[
                    (django.contrib.postgres.indexes.OpClass("stream", name="gist_bytea_ops"), "="),
                    (django.contrib.postgres.indexes.OpClass("target", name="gist_bytea_ops"), "="),
                    (bans.models.HeldRange("created_at", "expires_at"), "&&"),
                ],
                name="ban_one_holding_per_person_and_stream",
            ),
        ),
    ]
