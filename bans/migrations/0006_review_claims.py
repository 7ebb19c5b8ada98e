import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

UNREVIEWED = models.Q(("deleted_at__isnull", True), ("review", "unreviewed"))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("bans", "0005_report_cases"),
        ("livestreams", "0004_live_and_deleted"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ReviewClaim",
            fields=[
                (
                    "ban",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="claim",
                        serialize=False,
                        to="bans.livestreamban",
                    ),
                ),
                ("claimed_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "moderator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("until__gt", models.F("claimed_at"))),
                        name="review_claim_ends_after_it_began",
                    )
                ],
            },
        ),
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(condition=UNREVIEWED, fields=["created_at", "id"], name="ban_waiting"),
        ),
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(
                condition=UNREVIEWED, fields=["stream", "created_at", "id"], name="ban_waiting_by_stream"
            ),
        ),
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(
                    ("deleted_at__isnull", True), ("review", "unreviewed"), ("expires_at__isnull", False)
                ),
                fields=["expires_at", "id"],
                name="ban_waiting_by_end",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(
                    models.Q(("review", "unreviewed"), _negated=True), ("deleted_at__isnull", False), _connector="OR"
                ),
                fields=["-created_at", "id"],
                name="ban_settled",
            ),
        ),
    ]
