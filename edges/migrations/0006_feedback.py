import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import common.fields


class Migration(migrations.Migration):
    dependencies = [
        ("edges", "0005_statistics"),
        ("livestreams", "0004_live_and_deleted"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FeedbackCount",
            fields=[
                (
                    "stream",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="livestreams.livestream",
                    ),
                ),
                ("rated_1", models.PositiveIntegerField()),
                ("rated_2", models.PositiveIntegerField()),
                ("rated_3", models.PositiveIntegerField()),
                ("rated_4", models.PositiveIntegerField()),
                ("rated_5", models.PositiveIntegerField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Feedback",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("rating", models.PositiveSmallIntegerField()),
                ("comment", models.CharField(max_length=500, null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="feedback",
                        to="livestreams.livestream",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("comment__isnull", False)),
                        fields=["stream", "-created_at", "-id"],
                        name="feedback_comments",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("stream", "user"), name="feedback_once"),
                    models.CheckConstraint(condition=models.Q(("rating__range", (1, 5))), name="feedback_from_1_to_5"),
                ],
            },
        ),
    ]
