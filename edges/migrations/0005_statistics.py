import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("edges", "0004_live_counts_and_roles"),
        ("livestreams", "0004_live_and_deleted"),
    ]

    operations = [
        migrations.CreateModel(
            name="StreamStatistics",
            fields=[
                (
                    "stream",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="statistics",
                        serialize=False,
                        to="livestreams.livestream",
                    ),
                ),
                ("peak", models.PositiveIntegerField(db_default=0, default=0)),
                ("peak_at", models.DateTimeField(null=True)),
                ("sampled", models.PositiveIntegerField(db_default=0, default=0)),
                ("audience", models.PositiveIntegerField(db_default=0, default=0)),
                ("watched_seconds", models.FloatField(db_default=0.0, default=0.0)),
                ("reminders", models.PositiveIntegerField(db_default=0, default=0)),
                ("converted", models.PositiveIntegerField(db_default=0, default=0)),
                ("bans", models.PositiveIntegerField(db_default=0, default=0)),
                ("settled_at", models.DateTimeField(null=True)),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("settled_at", None)), fields=["stream"], name="statistics_unsettled"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ViewerSample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("viewers", models.PositiveIntegerField()),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="livestreams.livestream",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("stream", "at"), name="viewer_sample_once")],
            },
        ),
        # Last, so that nothing waits for participants while the operations above wait for streams.
        migrations.AddField(
            model_name="participant",
            name="left_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="participant",
            name="watched_seconds",
            field=models.FloatField(db_default=0.0, default=0.0),
        ),
    ]
