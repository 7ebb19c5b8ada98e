"""Reports of streams by people, and the cases in which moderators decide about them."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from common.models import IdentifiedModel, LockingQuerySet, TimestampedModel
from livestreams.models import LiveStream, of_living_stream


class ReportCase(TimestampedModel):
    """All reports of one stream that came in until a moderator decided. There is at most one open case of a stream.

    `updated_at` of an open case is when it was last reported.
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        DISMISSED = "dismissed", _("dismissed")
        ACTED_ON = "acted_on", _("acted on")

    # Cases and reports are purged with their stream. The audit trail keeps the history.
    stream = models.ForeignKey(
        LiveStream, on_delete=models.CASCADE, related_name="report_cases", db_index=False, verbose_name=_("stream")
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN, editable=False)
    report_count = models.PositiveIntegerField(_("number of reports"), editable=False)
    reasons = models.JSONField(_("reasons"), editable=False)  # the number of reports by reason
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True, editable=False)
    decision = models.CharField(_("text of the decision"), max_length=500, blank=True, editable=False)

    objects: ClassVar[models.Manager["ReportCase"]] = models.Manager.from_queryset(LockingQuerySet["ReportCase"])()

    class Meta:
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["stream"], condition=Q(state="open"), name="report_case_one_open"),
            models.CheckConstraint(
                condition=Q(state="open", decided_by__isnull=True, decided_at__isnull=True)
                | (~Q(state="open") & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="report_case_has_its_decision",
            ),
        ]
        indexes = [
            models.Index(fields=["stream", "-created_at", "-id"], name="report_case_by_stream"),
            # The queue of moderators: open cases, those with most reports first; then the decided ones, newest first.
            models.Index(
                F("decided_at").desc(nulls_first=True),
                F("report_count").desc(),
                F("id").desc(),
                name="report_case_queue",
            ),
        ]

    def __str__(self) -> str:
        # The title only if it was read with the case: otherwise each row of a list would cost a statement.
        return self.stream.title if "stream" in self._state.fields_cache else self.stream_id


class ReportQuerySet(models.QuerySet["Report"]):
    def matching(self, *, reporter: Any, stream: Any = None, state: str | None = None) -> Self:
        """The reports of a person on living streams that match every filter that is not None."""
        wanted = {"stream": stream, "case__state": state}
        given = {name: value for name, value in wanted.items() if value is not None}
        return self.filter(of_living_stream(), reporter=reporter, **given)


class Report(IdentifiedModel):
    """What one person reports about a stream. It never changes; its case has the state and the decision."""

    case = models.ForeignKey(ReportCase, on_delete=models.CASCADE, related_name="reports", db_index=False)
    stream = models.ForeignKey(LiveStream, on_delete=models.CASCADE, related_name="+", db_index=False)
    reporter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    # One of REPORT_REASONS at the time. The setting may change, so no constraint knows its values.
    reason = models.CharField(max_length=30)
    comment = models.CharField(max_length=500, null=True)  # noqa: DJ001 - null on the wire
    created_at = models.DateTimeField()

    objects: ClassVar[models.Manager["Report"]] = models.Manager.from_queryset(ReportQuerySet)()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["case", "reporter"], name="report_once_in_a_case")]
        indexes = [
            models.Index(fields=["case", "-created_at", "-id"], name="report_by_case"),
            models.Index(fields=["stream", "reporter"], name="report_by_stream"),
            models.Index(fields=["reporter", "-created_at", "-id"], name="report_by_reporter"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.stream_id}"
