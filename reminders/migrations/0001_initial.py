import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import common.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("livestreams", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Lookout",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("found_until", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="lookout_is_one")],
            },
        ),
        migrations.CreateModel(
            name="MutedChannel",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "user", "channel", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("channel", models.CharField(max_length=20)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Round",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("reminder", "before the start"),
                            ("live", "at the start"),
                            ("cancelled", "cancelled"),
                        ],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                ("minute", models.PositiveSmallIntegerField(null=True, verbose_name="minutes before the start")),
                ("planned_start_at", models.DateTimeField(null=True, verbose_name="planned start")),
                ("due_at", models.DateTimeField(verbose_name="due")),
                ("good_until", models.DateTimeField(verbose_name="good until")),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "open"), ("cut", "cut into chunks"), ("void", "void"), ("missed", "missed")],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("reminders", models.PositiveIntegerField(default=0, verbose_name="reminders")),
                ("opened_at", models.DateTimeField(verbose_name="opened")),
                ("closed_at", models.DateTimeField(null=True, verbose_name="closed")),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rounds",
                        to="livestreams.livestream",
                        verbose_name="stream",
                    ),
                ),
            ],
            options={
                "verbose_name": "round",
                "verbose_name_plural": "rounds",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Chunk",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                ("after_user", common.fields.ObjectIdField(null=True)),
                ("up_to_user", common.fields.ObjectIdField(null=True)),
                ("due_at", models.DateTimeField(verbose_name="due")),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "waiting"), ("told", "told"), ("void", "void"), ("missed", "missed")],
                        default="waiting",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("told", models.PositiveIntegerField(default=0, help_text="people", verbose_name="told")),
                ("missed", models.PositiveIntegerField(default=0, help_text="people", verbose_name="missed")),
                ("closed_at", models.DateTimeField(null=True, verbose_name="closed")),
                (
                    "round",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunks",
                        to="reminders.round",
                        verbose_name="round",
                    ),
                ),
            ],
            options={
                "verbose_name": "chunk",
                "verbose_name_plural": "chunks",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("channel", models.CharField(max_length=20, verbose_name="channel")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("delivered", "delivered"),
                            ("failed", "given up"),
                            ("stopped", "stopped by the receiver"),
                            ("void", "void"),
                        ],
                        default="pending",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("recipients", models.PositiveIntegerField(default=0, verbose_name="recipients")),
                ("reached_user", common.fields.ObjectIdField(null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("last_error", models.TextField(blank=True, verbose_name="last error")),
                ("created_at", models.DateTimeField(verbose_name="created")),
                ("attempted_at", models.DateTimeField(null=True, verbose_name="last attempt")),
                ("next_attempt_at", models.DateTimeField(null=True, verbose_name="next attempt")),
                ("closed_at", models.DateTimeField(null=True, verbose_name="closed")),
                (
                    "chunk",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="reminders.chunk",
                        verbose_name="chunk",
                    ),
                ),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
                "default_permissions": ("view", "change"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")), fields=["next_attempt_at"], name="delivery_pending"
                    ),
                    models.Index(fields=["state", "-created_at", "-id"], name="delivery_by_state"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("chunk", "channel"), name="delivery_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("closed_at__isnull", True), ("next_attempt_at__isnull", False), ("state", "pending")
                            ),
                            models.Q(
                                models.Q(("state", "pending"), _negated=True),
                                ("closed_at__isnull", False),
                                ("next_attempt_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="delivery_pending_has_its_next_attempt",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LeadTime",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "stream", "minute", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("minute", models.PositiveSmallIntegerField()),
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
                "indexes": [models.Index(fields=["minute"], name="lead_time_by_minute")],
            },
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("reminder", "before the start"),
                            ("live", "at the start"),
                            ("cancelled", "cancelled"),
                        ],
                        max_length=10,
                    ),
                ),
                ("minute", models.PositiveSmallIntegerField(null=True)),
                ("planned_start_at", models.DateTimeField(null=True)),
                ("read_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "stream",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="livestreams.livestream",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "notification",
                "verbose_name_plural": "notifications",
                "default_permissions": (),
                "indexes": [models.Index(fields=["user", "-created_at", "-id"], name="notification_by_user")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("stream", "user", "kind", "planned_start_at"),
                        name="notification_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Reminder",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                ("minute", models.PositiveSmallIntegerField(null=True, verbose_name="minutes before the start")),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("tr", "Türkçe")], max_length=2, verbose_name="language"
                    ),
                ),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reminders",
                        to="livestreams.livestream",
                        verbose_name="stream",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reminders",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "reminder",
                "verbose_name_plural": "reminders",
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["user", "-created_at", "-id"], name="reminder_by_user")],
                "constraints": [
                    models.UniqueConstraint(fields=("stream", "user"), name="reminder_one_per_person_and_stream"),
                    models.CheckConstraint(
                        condition=models.Q(("minute__isnull", True), ("minute__range", (0, 10080)), _connector="OR"),
                        name="reminder_lead_in_a_week",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="round",
            index=models.Index(condition=models.Q(("state", "open")), fields=["due_at"], name="round_open"),
        ),
        migrations.AddIndex(
            model_name="round",
            index=models.Index(fields=["-opened_at", "-id"], name="round_newest"),
        ),
        migrations.AddConstraint(
            model_name="round",
            constraint=models.UniqueConstraint(
                fields=("stream", "kind", "minute", "planned_start_at", "due_at"),
                name="round_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="round",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "reminder"), ("minute__isnull", False), ("planned_start_at__isnull", False)),
                    models.Q(("kind__in", ("live", "cancelled")), ("minute__isnull", True)),
                    _connector="OR",
                ),
                name="round_of_reminders_has_its_lead",
            ),
        ),
        migrations.AddIndex(
            model_name="chunk",
            index=models.Index(condition=models.Q(("state", "waiting")), fields=["due_at"], name="chunk_waiting"),
        ),
        migrations.AddConstraint(
            model_name="chunk",
            constraint=models.UniqueConstraint(fields=("round", "number"), name="chunk_once"),
        ),
    ]
