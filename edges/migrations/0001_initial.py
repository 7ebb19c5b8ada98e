import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import common.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("livestreams", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="JoinKey",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("private_key", models.TextField()),
                ("public_jwk", models.JSONField()),
                ("created_at", models.DateTimeField()),
                ("retired_at", models.DateTimeField(null=True)),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("retired_at", None)),
                        fields=("retired_at",),
                        name="join_key_one_newest",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Participant",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="participants",
                        to="livestreams.livestream",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="participations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["stream", "last_seen_at"], name="participant_seen")],
                "constraints": [models.UniqueConstraint(fields=("stream", "user"), name="participant_once")],
            },
        ),
        migrations.CreateModel(
            name="Revocation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "action",
                    models.CharField(
                        choices=[("BLOCK", "Block"), ("CHAT_ONLY", "Chat Only"), ("LIFTED", "Lifted")], max_length=10
                    ),
                ),
                ("until", models.DateTimeField(null=True)),
                ("at", models.DateTimeField()),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="revocations",
                        to="livestreams.livestream",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["stream", "id"], name="revocation_by_stream"),
                    models.Index(fields=["user", "stream", "id"], name="revocation_by_user"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("action__in", ("BLOCK", "CHAT_ONLY", "LIFTED"))), name="revocation_known"
                    )
                ],
            },
        ),
    ]
