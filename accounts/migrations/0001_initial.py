import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import accounts.fields
import accounts.names
import common.fields
import common.search


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="LoginCounter",
            fields=[
                ("key", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("window_started_at", models.DateTimeField(db_index=True)),
                ("count", models.PositiveIntegerField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Media",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                ("type", models.CharField(choices=[("image", "image")], default="image", max_length=10)),
                ("file", models.CharField(max_length=200)),
                ("variants", models.JSONField(default=dict)),
            ],
            options={
                "verbose_name": "picture",
                "verbose_name_plural": "pictures",
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "username",
                    accounts.fields.UsernameField(
                        max_length=150, unique=True, validators=[accounts.names.validate], verbose_name="username"
                    ),
                ),
                ("username_key", accounts.fields.UsernameKeyField(editable=False, max_length=450)),
                ("name", models.CharField(blank=True, max_length=150, verbose_name="name")),
                ("surname", models.CharField(blank=True, max_length=150, verbose_name="surname")),
                (
                    "names_folded",
                    common.search.FoldedColumn(
                        db_default="", default="", editable=False, of=("username", "name", "surname")
                    ),
                ),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="email")),
                (
                    "availability_status",
                    models.CharField(
                        choices=[("available", "available"), ("busy", "busy"), ("offline", "offline")],
                        default="offline",
                        max_length=10,
                    ),
                ),
                ("is_staff", models.BooleanField(default=False, help_text="may enter the admin", verbose_name="staff")),
                ("is_active", models.BooleanField(default=True, help_text="may log in", verbose_name="active account")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("identity_issuer", models.CharField(blank=True, editable=False, max_length=200)),
                ("identity_subject", models.CharField(blank=True, editable=False, max_length=200)),
                ("identity_tokens_from", models.DateTimeField(editable=False, null=True)),
                ("session_epoch", models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
                (
                    "profile_photo",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.media",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
            },
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "id",
                    common.fields.ObjectIdKey(
                        default=common.fields.new_object_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("refresh_id", models.CharField(max_length=32)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="RefreshedPair",
            fields=[
                ("refresh_id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("pair", models.BinaryField()),
                ("until", models.DateTimeField(db_index=True)),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.session"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="KnownAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.BinaryField(max_length=32)),
                ("last_login_at", models.DateTimeField(db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("user", "address"), name="knownaddress_once")],
            },
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(("is_staff", True), ("is_superuser", True), _connector="OR"),
                fields=["id"],
                name="user_staff",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                fields=("username_key",),
                name="user_username_key_unique",
                violation_error_message="A user with that username already exists.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                condition=models.Q(("identity_issuer", ""), _negated=True),
                fields=("identity_issuer", "identity_subject"),
                name="user_identity_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))), name="session_expires_later"
            ),
        ),
    ]
