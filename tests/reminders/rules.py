"""The rules of reminders, written down a second time: what the services do is held against them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reminders.models import Chunk, Round

MINUTE = timedelta(minutes=1)
GRACE = 10 * MINUTE
LIVELY = {"scheduled", "preparing", "active"}


@dataclass
class Facts:
    """What happened to one stream and the people around it, as stored times."""

    id: str
    planned: datetime | None
    planned_at: datetime  # when the plan became what it is
    status: str
    started: datetime | None = None
    cancelled: datetime | None = None
    deleted: bool = False
    asked: dict[str, int | None] = field(default_factory=dict)
    blocks: dict[str, datetime | None] = field(default_factory=dict)
    told: set[tuple[str, str, datetime | None]] = field(default_factory=set)
    passed_over: set[tuple[str, str, datetime | None]] = field(default_factory=set)
    plans: list[datetime] = field(default_factory=list)

    def blocked(self, person: str, now: datetime) -> bool:
        return person in self.blocks and ((until := self.blocks[person]) is None or now < until)

    def due(self, person: str) -> tuple[str, datetime, datetime] | None:
        """What a person who asked is to be told as things stand: the kind, when it is due and until when it is good."""
        minute = self.asked[person]
        if self.status == "scheduled" and self.planned and minute:
            due = max(self.planned - minute * MINUTE, self.planned_at)
            return "reminder", due, due + GRACE
        if self.status == "active" and self.started and (person, "reminder", self.planned) not in self.told:
            return "live", self.started, self.started + GRACE
        if self.cancelled:
            return "cancelled", self.cancelled, max(self.cancelled, self.planned or self.cancelled) + GRACE
        return None

    def owed(self, now: datetime) -> dict[str, str]:
        """Whom a worker that looks now shall tell what."""
        found = {person: due for person in self.asked if (due := self.due(person)) and not self.blocked(person, now)}
        return {
            person: kind
            for person, (kind, due, until) in found.items()
            if due <= now <= until and not self.deleted and (person, kind, self.planned) not in self.told
        }

    def too_late(self, now: datetime) -> dict[str, tuple[str, datetime]]:
        """Who can only be counted any more."""
        found = {person: due for person in self.asked if (due := self.due(person)) and not self.blocked(person, now)}
        return {
            person: (kind, due)
            for person, (kind, due, until) in found.items()
            if until < now and not self.deleted and (person, kind, self.planned) not in self.told
        }

    def excused(self, person: str, kind: str) -> bool:
        """Whether this telling has looked at the person at a moment at which nothing could be said."""
        due = self.due(person)
        return due is not None and (person, kind, due[1]) in self.passed_over

    def status_of(self, person: str, now: datetime) -> str:
        if {(person, "reminder", self.planned), (person, "live", self.planned)} & self.told:
            return "SENT"
        if self.blocked(person, now) or self.status not in LIVELY:
            return "CANCELLED"
        if (due := self.due(person)) and due[2] < now:
            return "MISSED"
        return "SCHEDULED" if self.asked[person] else "ARMED_ON_START"


def counted(facts: Facts, person: str, kind: str, due: datetime) -> bool:
    """Whether somebody who can no longer be told is among those who were missed."""
    telling = Round.objects.filter(stream=facts.id, kind=kind, planned_start_at=facts.planned, due_at=due)
    telling = telling.filter(minute=facts.asked[person] if kind == "reminder" else None)
    chunks = Chunk.objects.filter(round__in=telling, state="missed", missed__gt=0)
    return telling.filter(state="missed", reminders__gt=0).exists() or chunks.exists()
