import datetime

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models

import common.fields
import common.search


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # For the index of parts of titles.
        TrigramExtension(),
        migrations.CreateModel(
            name="LiveStream",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                ("deleted_at", models.DateTimeField(editable=False, null=True)),
                ("title", models.CharField(max_length=140, verbose_name="title")),
                ("title_folded", common.search.FoldedColumn(db_default="", default="", editable=False, of=("title",))),
                (
                    "type",
                    models.CharField(
                        choices=[("solo", "solo"), ("duocrowd", "duo, crowd"), ("duoself", "duo, self")],
                        default="solo",
                        max_length=10,
                        verbose_name="type",
                    ),
                ),
                (
                    "channel_name",
                    models.CharField(editable=False, max_length=150, unique=True, verbose_name="channel name"),
                ),
                (
                    "guest_status",
                    models.CharField(
                        choices=[("invited", "invited"), ("accepted", "accepted"), ("declined", "declined")],
                        editable=False,
                        max_length=10,
                        null=True,
                        verbose_name="answer of the guest",
                    ),
                ),
                ("thumbnail", models.CharField(blank=True, editable=False, max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("scheduled", "scheduled"),
                            ("preparing", "preparing"),
                            ("active", "active"),
                            ("ended", "ended"),
                            ("cancelled_by_host", "cancelled by its host"),
                            ("cancelled_by_guest", "cancelled by a guest"),
                            ("expired", "expired"),
                        ],
                        editable=False,
                        max_length=20,
                        verbose_name="status",
                    ),
                ),
                (
                    "price",
                    models.DecimalField(blank=True, decimal_places=2, max_digits=10, null=True, verbose_name="price"),
                ),
                ("interest", models.CharField(blank=True, max_length=50, null=True, verbose_name="interest")),
                (
                    "duration_goal",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="minutes", null=True, verbose_name="duration goal"
                    ),
                ),
                ("motivation", models.TextField(blank=True, max_length=1000, null=True, verbose_name="motivation")),
                ("planned_start_at", models.DateTimeField(editable=False, null=True, verbose_name="planned start")),
                ("plan_set_at", models.DateTimeField(editable=False, null=True)),
                ("revision", models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ("started_at", models.DateTimeField(editable=False, null=True, verbose_name="started")),
                ("ended_at", models.DateTimeField(editable=False, null=True, verbose_name="ended")),
                (
                    "creator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="creator",
                    ),
                ),
                (
                    "deleted_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "guest",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="guest",
                    ),
                ),
            ],
            options={
                "verbose_name": "stream",
                "verbose_name_plural": "streams",
                "permissions": [("enforce", "Can learn who must be kept out, as media edges and chat servers do")],
                "default_permissions": ("view", "change"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("deleted_at", None)), fields=["-created_at", "-id"], name="stream_newest"
                    ),
                    models.Index(
                        condition=models.Q(("deleted_at", None)),
                        fields=["status", "-created_at", "-id"],
                        name="stream_by_status",
                    ),
                    models.Index(
                        condition=models.Q(("deleted_at", None)),
                        fields=["creator", "-created_at", "-id"],
                        name="stream_by_creator",
                    ),
                    models.Index(
                        condition=models.Q(("deleted_at", None)),
                        fields=["guest", "-created_at", "-id"],
                        name="stream_by_guest",
                    ),
                    models.Index(
                        condition=models.Q(("deleted_at", None), ("guest_status", "accepted")),
                        fields=["guest", "-created_at", "-id"],
                        name="stream_by_accepted_guest",
                    ),
                    models.Index(
                        condition=models.Q(("status", "scheduled")),
                        fields=["planned_start_at"],
                        name="stream_by_planned_start",
                    ),
                    models.Index(
                        condition=models.Q(("deleted_at__isnull", False)), fields=["deleted_at"], name="stream_deleted"
                    ),
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["title_folded"], name="stream_by_title", opclasses=["gin_trgm_ops"]
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deleted_at__isnull", False), ("deleted_by__isnull", True), _connector="OR"
                        ),
                        name="livestreams_livestream_deleted_by_needs_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "scheduled",
                                    "preparing",
                                    "active",
                                    "ended",
                                    "cancelled_by_host",
                                    "cancelled_by_guest",
                                    "expired",
                                ],
                            )
                        ),
                        name="stream_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "scheduled"), _negated=True),
                            ("planned_start_at__isnull", False),
                            _connector="OR",
                        ),
                        name="stream_scheduled_has_a_plan",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("planned_start_at__isnull", True),
                            ("planned_start_at__lt", datetime.datetime(2100, 1, 1, 0, 0, tzinfo=datetime.UTC)),
                            _connector="OR",
                        ),
                        name="stream_plan_is_of_this_century",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("started_at__isnull", False), ("status__in", ("active", "ended"))),
                            models.Q(
                                models.Q(("status__in", ("active", "ended")), _negated=True),
                                ("started_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="stream_started_is_active_or_ended",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("ended_at__gte", models.F("started_at")),
                                ("ended_at__isnull", False),
                                ("status", "ended"),
                            ),
                            models.Q(models.Q(("status", "ended"), _negated=True), ("ended_at__isnull", True)),
                            _connector="OR",
                        ),
                        name="stream_ended_has_its_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deleted_at__isnull", True), models.Q(("status", "active"), _negated=True), _connector="OR"
                        ),
                        name="stream_active_is_not_deleted",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("guest__isnull", True), ("type", "solo")),
                            models.Q(
                                ("guest__isnull", False),
                                ("type__in", ("duocrowd", "duoself")),
                                models.Q(("guest", models.F("creator")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="stream_guest_fits_type",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("guest__isnull", True), ("guest_status__isnull", True)),
                            models.Q(
                                ("guest__isnull", False),
                                ("guest_status__in", ["invited", "accepted", "declined"]),
                                ("guest_status__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="stream_guest_status_fits_guest",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("price__isnull", True), ("price__gt", 0), _connector="OR"),
                        name="stream_price_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("duration_goal__isnull", True), ("duration_goal__range", (1, 1440)), _connector="OR"
                        ),
                        name="stream_duration_goal_in_a_day",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "active")),
                        fields=("creator",),
                        name="stream_one_active_per_creator",
                    ),
                ],
            },
        ),
    ]
