import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

import common.fields

KEY = common.fields.ObjectIdKey(default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("reminders", "0002_checkpoint_and_notified"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CalendarAddress",
            fields=[
                ("id", KEY),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="DeviceToken",
            fields=[
                ("id", KEY),
                ("created_at", models.DateTimeField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="device_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.session",
                    ),
                ),
                (
                    "platform",
                    models.CharField(
                        choices=[("ios", "iOS"), ("android", "Android"), ("web", "browser")], max_length=10
                    ),
                ),
                ("device_id", models.CharField(blank=True, max_length=128)),
                ("token", models.TextField()),
                ("digest", models.BinaryField(max_length=32, unique=True)),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["updated_at"], name="device_token_by_age")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=~Q(device_id=""), fields=("user", "device_id"), name="device_token_one_per_device"
                    )
                ],
            },
        ),
    ]
