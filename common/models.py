"""Bases of models: ids, timestamps, soft delete, row locks; and the models of the audit trail."""

from functools import cache
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.encoding import force_str
from django.utils.translation import gettext_lazy as _

from common.entry_points import EntryPoint
from common.fields import ObjectIdField, ObjectIdKey
from common.refusals import Missing


@cache
def _names_of_choices(field: "models.Field[Any, Any]") -> dict[Any, Any]:
    return dict(field.flatchoices)


class IdentifiedModel(models.Model):
    id = ObjectIdKey()

    class Meta:
        abstract = True

    def _get_FIELD_display(self, field: "models.Field[Any, Any]") -> Any:  # noqa: N802 - the name in Django
        """As Django's, which makes the dictionary of all names for each value, and translates them all."""
        value = getattr(self, field.attname)
        return force_str(_names_of_choices(field).get(value, value), strings_only=True)


class TimestampedModel(IdentifiedModel):
    """Times are given by the caller, so that one change carries one time and tests can move the clock."""

    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        abstract = True


class LockingQuerySet[T: models.Model](models.QuerySet[T]):
    def for_update(self, *, skip_locked: bool = False) -> Self:
        """Lock the selected rows of this table, and no joined ones, until the transaction ends.

        NO KEY UPDATE does not block other transactions that insert rows with a foreign key to these.
        """
        return self.select_for_update(no_key=True, of=("self",), skip_locked=skip_locked)

    def locked(self, pk: str, *, otherwise: type[Missing]) -> T:
        """The row with this key, locked. Raises `otherwise` when it does not exist, or was removed before the lock.

        Services use this instead of `get`: a row that a caller has just seen may be purged meanwhile.
        """
        row = self.for_update().filter(pk=pk).first()
        if row is None:
            raise otherwise
        return row


class LivingManager[T: models.Model](models.Manager[T]):
    """Excludes soft-deleted rows, but not in joins: a query that joins such a table filters explicitly."""

    def get_queryset(self) -> models.QuerySet[T]:
        return super().get_queryset().filter(deleted_at__isnull=True)


class SoftDeleteModel(models.Model):
    """A row that is marked as deleted and kept until `purge` removes it.

    Subclasses declare both managers, `objects` (living rows) first, so that `get_object_or_404`, related
    managers and querysets exclude deleted rows; `_base_manager` does not, so that a foreign key to a deleted
    row can be followed. Unique constraints are partial, on living rows.
    """

    deleted_at = models.DateTimeField(null=True, editable=False)
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=False) | Q(deleted_by__isnull=True),
                name="%(app_label)s_%(class)s_deleted_by_needs_time",
            ),
        ]

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


class StoredAnswer(models.Model):
    """The answer to a request with an `Idempotency-Key`: see `common/idempotency.py`.

    `answer` is encrypted. After `expires_at` the row has no effect, and `purge` removes it.
    """

    key = models.UUIDField(primary_key=True)  # a digest of the caller and the key
    fingerprint = models.BinaryField()
    answer = models.BinaryField()
    expires_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["expires_at"], name="stored_answer_by_expiry")]

    def __str__(self) -> str:
        return str(self.key)


class RateCounter(models.Model):
    """How many calls one user or network has made in a window: see `common/rate_limits/counters.py`.

    The table is unlogged, because a crash of PostgreSQL may begin all windows anew.
    """

    key = models.UUIDField(primary_key=True)  # a keyed hash of policy and caller
    count = models.IntegerField()
    ends_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.key)


class LastWrite(models.Model):
    """Where in the write-ahead log the last change of a caller was committed: see `common/replica/last_writes.py`.

    The table is unlogged. It has rows only if a replica is configured.
    """

    caller = ObjectIdField(primary_key=True)
    lsn = models.BigIntegerField()  # bytes since the beginning of the log
    written_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.caller)


class StoragePlace(models.Model):
    """Where the processes of a machine store pictures: see `common/storage/presence.py`."""

    host = models.CharField(max_length=255, primary_key=True)
    place = models.CharField(max_length=400)
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.host}: {self.place}"


class RunningProcess(models.Model):
    """A process of the service, and the fingerprints of its keys: see `common/secret_keys/running.py`."""

    id = models.CharField(max_length=300, primary_key=True)  # host:pid
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    role = models.CharField(max_length=20)  # the command: serve, worker
    began = models.FloatField()  # seconds since 1970, on the clock of the host
    keys = models.JSONField()  # by name; the first fingerprint is that of the key that signs
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.host} ({self.role})"


class KeyUse(models.Model):
    """When a key was first accepted by a process, and when processes signed with it."""

    id = models.CharField(max_length=64, primary_key=True)  # name and fingerprint
    name = models.CharField(max_length=32)
    fingerprint = models.CharField(max_length=16)
    first_seen_at = models.DateTimeField()
    first_signed_at = models.DateTimeField(null=True)  # None: a key that is to sign later
    last_signed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.id


class LastingKey(models.Model):
    """What remains of a replaced SECRET_KEY: the key that verifies the links of one purpose.

    See `common/secret_keys/lasting.py`.
    """

    fingerprint = models.CharField(max_length=16)  # of SECRET_KEY
    purpose = models.CharField(max_length=50)
    key = models.BinaryField()  # encrypted
    kept_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["fingerprint", "purpose"], name="lasting_key_once")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.fingerprint}"


class AppendOnlyModel(models.Model):
    """A table of which the database refuses UPDATE, DELETE and TRUNCATE: see `common/audit_guard.py`.

    A migration that creates such a table creates and enables its trigger too.
    """

    class Meta:
        abstract = True


class AuditEntry(AppendOnlyModel):
    """One change: who made it, through which entry point, to what. The database refuses to alter or remove it.

    The key comes from a sequence while the changed row is locked. So the keys of the entries of one row are in the
    order of its changes, even if the clocks of the machines differ. Actors and targets are plain ids without foreign
    keys, because entries are kept longer than the rows that they describe.
    """

    in_words = ""  # the sentence of its page, in the language of the reader; no column
    at = models.DateTimeField()
    entry_point = models.CharField(max_length=10, choices=[(point.value, point.value) for point in EntryPoint])
    actor_id = ObjectIdField(null=True)
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=50)
    target_type = models.CharField(max_length=50)
    target_id = ObjectIdField()
    before = models.JSONField()
    after = models.JSONField()
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    # As AUDIT_CLIENT_ADDRESS says; no seal covers it, so that it can be erased.
    client_address = models.CharField(max_length=64, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit trail")
        default_permissions = ("view",)
        permissions = [("export_auditentry", _("Can export the audit trail"))]
        # Every change writes a row, so each index costs: docs/decisions/0039 has the figures.
        indexes = [
            models.Index(fields=["target_id", "id"], name="audit_by_target"),
            models.Index(fields=["actor_id", "id"], name="audit_by_actor"),
            models.Index(fields=["action", "id"], name="audit_by_action"),
            models.Index(fields=["at", "id"], name="audit_by_time"),
            # Few entries are of these two; a walk finds the others at once.
            models.Index(
                fields=["entry_point", "id"],
                condition=Q(entry_point__in=["admin", "command"]),
                name="audit_by_entry_point",
            ),
        ]

    def __str__(self) -> str:
        return self.in_words or f"{self.action} {self.target_type} {self.target_id}"


class AuditSeal(AppendOnlyModel):
    """The digest of consecutive audit rows, chained to the seal before it; `common/seals.py` computes and verifies it.

    It covers the ids above the last one of the seal before, up to and including `last_id`.
    """

    number = models.BigIntegerField(primary_key=True)  # 1, 2, 3, ... without gaps
    hour = models.DateTimeField()  # of its rows; backdated rows were written later
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField(unique=True)
    rows = models.BigIntegerField()
    rows_digest = models.CharField(max_length=64)  # SHA-256, hexadecimal
    digest = models.CharField(max_length=64)  # SHA-256 over the other fields and the digest of the seal before
    made_at = models.DateTimeField()

    class Meta:
        verbose_name = _("audit seal")
        verbose_name_plural = _("audit seals")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number} {self.digest}"


class AuditArchive(AppendOnlyModel):
    """A file with the audit rows of old months, which the table has no longer; `common/audit_archive.py` reads it.

    The files in the order of their numbers, and then the table, have all rows in the order of their ids.
    """

    number = models.BigIntegerField(primary_key=True)  # 1, 2, 3, ... without gaps
    file = models.CharField(max_length=100)  # its name, in AUDIT_ARCHIVE_FOLDER
    sha256 = models.CharField(max_length=64)  # of its rows as text, hexadecimal
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField(unique=True)
    rows = models.BigIntegerField()
    archived_at = models.DateTimeField()

    class Meta:
        verbose_name = _("audit archive")
        verbose_name_plural = _("audit archives")
        default_permissions = ()

    def __str__(self) -> str:
        return self.file


class AuditRedaction(AppendOnlyModel):
    """Names and texts of a person were replaced in rows of one seal or one archive; see `common/audit_redaction.py`.

    The newest redaction of a seal has the digest that its rows have now; the same for an archive, and its file.
    """

    number = models.BigIntegerField(primary_key=True)  # 1, 2, 3, ... without gaps
    person = ObjectIdField()
    seal = models.BigIntegerField(null=True)  # its number
    archive = models.BigIntegerField(null=True)  # its number
    file = models.CharField(max_length=100, blank=True)  # of the archive, from now on
    rows = models.BigIntegerField()  # that were changed
    old_digest = models.CharField(max_length=64)  # of the rows as text, SHA-256, hexadecimal
    new_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)  # over the other fields and the digest of the redaction before
    made_at = models.DateTimeField()

    class Meta:
        verbose_name = _("audit redaction")
        verbose_name_plural = _("audit redactions")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number} {self.digest}"
