from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper

from common.fields import ObjectIdKey, new_object_id


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0003_staff_preferences")]

    operations = [
        # The indexes come first, because only they may take long.
        AddIndexConcurrently(
            model_name="user", index=models.Index(fields=["created_at", "id"], name="user_by_creation")
        ),
        AddIndexConcurrently(
            model_name="user",
            index=models.Index(
                condition=models.Q(("is_active", False)), fields=["created_at", "id"], name="user_inactive"
            ),
        ),
        AddIndexConcurrently(model_name="user", index=models.Index(Upper("email"), name="user_by_email")),
        AddIndexConcurrently(
            model_name="session",
            index=models.Index(fields=["user", "-created_at", "-id"], name="session_by_user"),
        ),
        migrations.CreateModel(
            name="PersonNote",
            fields=[
                (
                    "id",
                    ObjectIdKey(default=new_object_id, editable=False, primary_key=True, serialize=False),
                ),
                ("deleted_at", models.DateTimeField(editable=False, null=True)),
                ("text", models.CharField(max_length=1000, verbose_name="text")),
                ("created_at", models.DateTimeField(editable=False)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                (
                    "deleted_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "note",
                "verbose_name_plural": "notes",
                "default_permissions": ("view", "add"),
                "indexes": [
                    models.Index(fields=["person", "-created_at", "-id"], name="note_by_person"),
                    models.Index(
                        condition=models.Q(("deleted_at__isnull", False)), fields=["deleted_at"], name="note_deleted"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deleted_at__isnull", False), ("deleted_by__isnull", True), _connector="OR"
                        ),
                        name="accounts_personnote_deleted_by_needs_time",
                    ),
                ],
            },
        ),
    ]
