from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bans", "0010_bulk_requests")]

    operations = [
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(
                condition=Q(("reviewed_at__isnull", False)),
                fields=["reviewed_at"],
                include=["reviewed_by", "review", "created_at"],
                name="ban_by_review_time",
            ),
        ),
    ]
