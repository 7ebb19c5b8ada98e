import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

import common.fields


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("edges", "0003_presence"),
        ("livestreams", "0004_live_and_deleted"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CountingPass",
            fields=[
                ("name", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("before_at", models.DateTimeField(null=True)),
                ("begun_at", models.DateTimeField()),
                ("after", common.fields.ObjectIdField(null=True)),
                ("seconds", models.FloatField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="CreatorAudience",
            fields=[
                (
                    "creator",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("viewers", models.PositiveIntegerField()),
                ("counted_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["viewers", "creator"], name="creator_audience_ranked"),
                    models.Index(fields=["counted_at"], name="creator_audience_by_age"),
                ],
            },
        ),
        migrations.AddField(
            model_name="participant",
            name="role",
            field=models.CharField(
                choices=[("host", "host"), ("guest", "guest"), ("audience", "audience")], max_length=10, null=True
            ),
        ),
        migrations.AddField(
            model_name="viewercount",
            name="is_live",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="viewercount",
                    name="stream",
                    field=models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="viewer_count",
                        serialize=False,
                        to="livestreams.livestream",
                    ),
                ),
            ],
        ),
        AddIndexConcurrently(
            model_name="viewercount",
            index=models.Index(
                fields=["viewers", "stream"], condition=models.Q(("is_live", True)), name="viewer_count_live"
            ),
        ),
        AddIndexConcurrently(
            model_name="participant",
            index=models.Index(fields=["user", "first_seen_at", "stream"], name="participant_by_user"),
        ),
        # The new index begins with the same column as the index of the foreign key. AlterField would drop and validate
        # the foreign key again, under a lock.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    'DROP INDEX CONCURRENTLY IF EXISTS "edges_participant_user_id_15d3fd2e"',
                    'CREATE INDEX CONCURRENTLY IF NOT EXISTS "edges_participant_user_id_15d3fd2e"'
                    ' ON "edges_participant" ("user_id")',
                ),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="participant",
                    name="user",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="participations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
