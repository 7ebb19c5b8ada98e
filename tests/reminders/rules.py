"""A second implementation of the rules of reminders, as a model that the services are compared with."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reminders.models import Chunk, Round

MINUTE = timedelta(minutes=1)
GRACE = 10 * MINUTE
NOT_OVER = {"scheduled", "preparing", "active"}

type Lead = tuple[int | None, datetime | None, datetime]


@dataclass
class Facts:
    """The state of one stream, its reminders, bans and notifications, as the history made them."""

    id: str
    planned: datetime | None
    planned_at: datetime  # when the planned start was set
    status: str
    started: datetime | None = None
    cancelled: datetime | None = None
    deleted: bool = False
    asked: dict[str, int | None] = field(default_factory=dict)
    blocks: dict[str, datetime | None] = field(default_factory=dict)
    notified: set[tuple[str, str, datetime | None]] = field(default_factory=set)
    passed_over: set[tuple[str, str, datetime | None]] = field(default_factory=set)
    plans: list[datetime] = field(default_factory=list)
    # Lead times, planned starts and due times that passed while the stream was deleted: it is too late for them.
    unrevived: set[Lead] = field(default_factory=set)
    opened: set[Lead] = field(default_factory=set)

    def blocked(self, person: str, now: datetime) -> bool:
        return person in self.blocks and ((until := self.blocks[person]) is None or now < until)

    def due(self, person: str) -> tuple[str, datetime, datetime] | None:
        """The notification that is to be sent to a person with a reminder: its kind, due time and end of grace."""
        minute = self.asked[person]
        if self.status == "scheduled" and self.planned and minute:
            due = max(self.planned - minute * MINUTE, self.planned_at)
            return "reminder", due, due if (minute, self.planned, due) in self.unrevived else due + GRACE
        if self.status == "active" and self.started and (person, "reminder", self.planned) not in self.notified:
            return "live", self.started, self.started + GRACE
        if self.cancelled:
            return "cancelled", self.cancelled, max(self.cancelled, self.planned or self.cancelled) + GRACE
        return None

    def owed(self, now: datetime) -> dict[str, str]:
        """The kind of the notification that a worker must send now, by person."""
        found = {person: due for person in self.asked if (due := self.due(person)) and not self.blocked(person, now)}
        return {
            person: kind
            for person, (kind, due, until) in found.items()
            if due <= now <= until and not self.deleted and (person, kind, self.planned) not in self.notified
        }

    def too_late(self, now: datetime) -> dict[str, tuple[str, datetime]]:
        """The kind and due time of notifications that are too late and must be counted as missed, by person."""
        found = {person: due for person in self.asked if (due := self.due(person)) and not self.blocked(person, now)}
        return {
            person: (kind, due)
            for person, (kind, due, until) in found.items()
            if until < now and not self.deleted and (person, kind, self.planned) not in self.notified
        }

    def set_deleted(self, deleted: bool, now: datetime) -> None:
        """After a restoration, what came due before is only sent by rounds that were open when it was deleted."""
        rounds = Round.objects.filter(stream=self.id, kind="reminder")
        if deleted and not self.deleted:
            self.opened = set(rounds.values_list("minute", "planned_start_at", "due_at"))
        elif self.deleted and not deleted:
            for person, minute in self.asked.items():
                due = self.due(person)
                if minute and self.planned and due and due[0] == "reminder" and due[1] <= now:
                    self.unrevived |= {(minute, self.planned, due[1])} - self.opened
        self.deleted = deleted

    def excused(self, person: str, kind: str) -> bool:
        """Whether this round was processed while the person was blocked or the stream deleted."""
        due = self.due(person)
        return due is not None and (person, kind, due[1]) in self.passed_over

    def status_of(self, person: str, now: datetime) -> str:
        if {(person, "reminder", self.planned), (person, "live", self.planned)} & self.notified:
            return "SENT"
        if self.blocked(person, now) or self.status not in NOT_OVER:
            return "CANCELLED"
        if (due := self.due(person)) and due[1] + GRACE < now:
            return "MISSED"
        return "SCHEDULED" if self.asked[person] else "ARMED_ON_START"


def counted(facts: Facts, person: str, kind: str, due: datetime) -> bool:
    """Whether a missed notification of `person` was counted."""
    rounds = Round.objects.filter(stream=facts.id, kind=kind, planned_start_at=facts.planned, due_at=due)
    rounds = rounds.filter(minute=facts.asked[person] if kind == "reminder" else None)
    chunks = Chunk.objects.filter(round__in=rounds, state="missed", missed__gt=0)
    return rounds.filter(state="missed", reminders__gt=0).exists() or chunks.exists()
