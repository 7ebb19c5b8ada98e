from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from livestreams.board import BoardPlace


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("livestreams", "0004_live_and_deleted")]

    operations = [
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(BoardPlace(), models.F("created_at").desc(), models.F("id").desc(), name="stream_board"),
        ),
    ]
