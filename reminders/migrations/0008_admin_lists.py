from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("reminders", "0007_roles")]

    operations = [
        AddIndexConcurrently(model_name="reminder", index=BrinIndex(fields=["created_at"], name="reminder_by_time")),
        AddIndexConcurrently(model_name="round", index=BrinIndex(fields=["due_at"], name="round_by_due_time")),
        AddIndexConcurrently(model_name="chunk", index=BrinIndex(fields=["due_at"], name="chunk_by_due_time")),
        AddIndexConcurrently(model_name="delivery", index=BrinIndex(fields=["created_at"], name="delivery_by_time")),
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("last_error", ""), _negated=True), fields=["-id"], name="delivery_with_error"
            ),
        ),
    ]
