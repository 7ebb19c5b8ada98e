from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("bans", "0003_list_indexes")]

    operations = [
        AddIndexConcurrently(
            model_name="appeal",
            index=models.Index(fields=["-created_at", "-id"], name="appeal_newest"),
        ),
        AddIndexConcurrently(
            model_name="appeal",
            index=models.Index(fields=["state", "-created_at", "-id"], name="appeal_by_state"),
        ),
    ]
