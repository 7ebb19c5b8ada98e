"""Thousands of random histories of streams, viewers and killed workers, against the rules written down once more."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from bans import services as bans
from bans.models import LiveStreamBan
from common.jobs import batches
from common.refusals import Refusal
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Chunk, Notification, Round
from reminders.services import rounds
from reminders.views.reminders import ON_STREAM, built
from tests.conftest import make_user
from tests.reminders import working
from tests.reminders.rules import LIVELY, MINUTE, Facts, counted

HISTORIES = 2_000
PARTS = 8  # so that two processes can share them
INSTANT = timedelta(microseconds=1)
BEGIN = datetime(2026, 3, 1, 18, tzinfo=UTC)
PEOPLE = 5  # in chunks of two

LEADS = (15, None, 5, 0, 60, 15, 1440)
STARTS = (30, 16, 61, 14, 6, 100, 1, 1441, 10)  # minutes from now
JUMPS = (1, 5, 9, 11, 0.5, 20, 45, 100, 2, 4, 1440)  # minutes
BAN_ENDS = (None, 2, 15)  # minutes
STEPS = {
    "remind": 8,
    "remove": 1,
    "create": 1,
    "move": 4,
    "move_back": 4,
    "unschedule": 1,
    "start": 2,
    "end": 1,
    "cancel": 1,
    "cancel_by_guest": 1,
    "delete": 1,
    "restore": 3,
    "expire": 1,
    "ban": 3,
    "lift": 2,
    "jump": 2,
    "jump_to_edge": 14,
    "find": 10,
    "job": 16,
    "killed_job": 3,
    "repeated_job": 2,
    "work": 4,
}
LENGTH = 34  # steps


class Killed(Exception):
    """A worker that is killed takes its transaction along."""


# --- what happens ---------------------------------------------------------------------------------


class World:
    """Does each step through the services, writes down what they accepted, and holds what they did to the rules."""

    def __init__(self, people: list[User], creator: User, guest: User) -> None:
        self.people, self.creator, self.guest = people, creator, guest
        self.now = BEGIN
        self.done: list[ProcrastinateJob] = []
        self.all: list[Facts] = []

    def begin(self) -> None:
        services.open_due_rounds(self.now)
        self.create(STARTS.index(100))
        for number in range(PEOPLE):
            self.remind(number)

    def act(self, step: str, number: int) -> None:
        self.now += 1000 * INSTANT
        getattr(self, step)(number)

    @property
    def stream(self) -> Facts:
        return self.all[-1]

    def person(self, number: int) -> User:
        return self.people[number % PEOPLE]

    # streams

    def create(self, number: int) -> None:
        planned = None if number % 4 == 3 else self.now + STARTS[number % len(STARTS)] * MINUTE
        made = streams.create_stream(
            by=self.creator, now=self.now, title="Talk", type="duocrowd", guest=self.guest.pk, planned_start_at=planned
        )
        self.all.append(Facts(made.pk, planned, self.now, "scheduled" if planned else "preparing"))

    def change(self, verb: Callable[..., LiveStream], **given: Any) -> None:
        facts = self.stream
        try:
            stream = verb(facts.id, **{"by": self.creator, "now": self.now} | given)
        except Refusal:
            return
        if stream.planned_start_at != facts.planned:
            if facts.planned:
                facts.plans.append(facts.planned)
            facts.planned, facts.planned_at = stream.planned_start_at, self.now
        if stream.status != facts.status:
            facts.status = str(stream.status)
            facts.started = self.now if facts.status == "active" else None
            facts.cancelled = self.now if facts.status.startswith("cancelled") else None
        facts.deleted = stream.is_deleted

    def move(self, number: int) -> None:
        planned = self.now + STARTS[number % len(STARTS)] * MINUTE
        self.change(streams.edit_stream, changes={"planned_start_at": planned})

    def move_back(self, number: int) -> None:
        """To a start that it had before."""
        possible = [planned for planned in self.stream.plans if planned > self.now]
        if possible:
            self.change(streams.edit_stream, changes={"planned_start_at": possible[number % len(possible)]})

    def unschedule(self, number: int) -> None:
        self.change(streams.edit_stream, changes={"planned_start_at": None})

    def start(self, number: int) -> None:
        self.change(streams.start_stream)

    def end(self, number: int) -> None:
        self.change(streams.end_stream)

    def cancel(self, number: int) -> None:
        self.change(streams.cancel_stream)

    def cancel_by_guest(self, number: int) -> None:
        self.change(streams.cancel_stream, by=self.guest)

    def delete(self, number: int) -> None:
        self.change(streams.delete_stream)

    def restore(self, number: int) -> None:
        self.change(streams.restore_stream)

    def expire(self, number: int) -> None:
        if streams.expire_stream(self.stream.id, now=self.now):
            self.stream.status = "expired"

    # people

    def remind(self, number: int) -> None:
        if self.stream.status not in LIVELY and number % 3:
            self.create(number)
        facts, person, minute = self.stream, self.person(number), LEADS[number % len(LEADS)]
        possible = (
            not facts.deleted
            and not facts.blocked(person.pk, self.now)
            and facts.status in {"scheduled", "preparing"}
            and (not minute or (facts.planned is not None and facts.planned - minute * MINUTE > self.now))
        )
        try:
            services.set_reminder(facts.id, by=person, now=self.now, minute=minute, language="en")
        except Refusal:
            assert not possible
        else:
            assert possible
            facts.asked[person.pk] = minute

    def remove(self, number: int) -> None:
        with suppress(Refusal):
            services.remove_reminder(self.stream.id, by=self.person(number), now=self.now)
            del self.stream.asked[self.person(number).pk]

    def ban(self, number: int) -> None:
        facts, person, minutes = self.stream, self.person(number), BAN_ENDS[number % len(BAN_ENDS)]
        until = minutes and self.now + minutes * MINUTE
        action = "CHAT_ONLY" if number % 5 == 4 else "BLOCK"
        with suppress(Refusal):
            bans.ban_user(
                person.pk, facts.id, by=self.creator, now=self.now, action_type=action, expires_at=until or None
            )
            if action == "BLOCK":
                facts.blocks[person.pk] = until or None

    def lift(self, number: int) -> None:
        holding = LiveStreamBan.objects.holding(self.now).filter(stream=self.stream.id).order_by("id")
        for ban in holding[number % 2 : number % 2 + 1]:
            bans.lift_ban(ban.pk, by=self.creator, now=self.now)
            self.stream.blocks.pop(ban.target_id, None)

    # time

    def jump(self, number: int) -> None:
        self.now += JUMPS[number % len(JUMPS)] * MINUTE

    def jump_to_edge(self, number: int) -> None:
        """To the very moment at which something comes due or too late, or to the one before or after it."""
        dues = [due for person in self.stream.asked if (due := self.stream.due(person))]
        moments = {moment + shift for _, due, until in dues for moment in (due, until) for shift in (-INSTANT, INSTANT)}
        moments |= {moment for _, due, until in dues for moment in (due, until)}
        later = sorted(moment for moment in moments if moment > self.now)
        if later:
            self.now = later[number % min(6, len(later))]

    # workers

    def find(self, number: int) -> None:
        services.open_due_rounds(self.now)

    def job(self, number: int) -> None:
        if waiting := working.jobs(self.now):
            job = waiting[number % len(waiting)]
            self.run(job)
            working.finish(job)

    def killed_job(self, number: int) -> None:
        waiting = working.jobs(self.now)
        before = self.ledger()
        with suppress(Killed), transaction.atomic():
            services.open_due_rounds(self.now)
            if waiting:
                working.run(waiting[number % len(waiting)], self.now)
            raise Killed
        assert self.ledger() == before

    def repeated_job(self, number: int) -> None:
        if self.done:
            job, before = self.done[number % len(self.done)], self.ledger()
            if job.task_name.endswith(("cut_rounds", "tell_chunks")):
                assert working.run(job, self.now) == []
                assert self.ledger() == before

    def work(self, number: int = 0) -> None:
        """Until nothing is left to do: then nobody is owed anything, and who was not told in time was counted."""
        self.find(0)
        while waiting := working.jobs(self.now):
            for job in waiting:
                self.run(job)
                working.finish(job)
        for facts in self.all:
            missed = {person: kind for person, kind in facts.owed(self.now).items() if not facts.excused(person, kind)}
            assert not missed
            for person, (kind, due) in facts.too_late(self.now).items():
                assert facts.excused(person, kind) or counted(facts, person, kind, due)

    def run(self, job: ProcrastinateJob) -> None:
        owed = {facts.id: facts.owed(self.now) for facts in self.all}
        before = self.ledger()
        working.run(job, self.now)
        for stream, person, kind, planned in self.ledger() - before:
            (facts,) = (facts for facts in self.all if facts.id == stream)
            assert owed[stream].get(person) == kind
            assert planned == facts.planned
            facts.told.add((person, kind, planned))
        self.check_what_was_closed(job)
        self.done.append(job)

    def check_what_was_closed(self, job: ProcrastinateJob) -> None:
        """Who was passed over, and that missed ones were counted."""
        name = job.task_name.rpartition(".")[2]
        if name == "cut_rounds":
            for round_ in Round.objects.filter(pk__in=job.args["round_ids"]):
                if round_.state == "missed":
                    assert round_.reminders == len(self.those_of(round_))
                if round_.state == "void":
                    self.pass_over(round_, self.those_of(round_))
        elif name == "tell_chunks":
            for chunk in Chunk.objects.select_related("round").filter(pk__in=job.args["chunk_ids"]):
                self.check_chunk(chunk)

    def check_chunk(self, chunk: Chunk) -> None:
        inside = [
            person
            for person in self.those_of(chunk.round)
            if (not chunk.after_user or person > chunk.after_user)
            and (not chunk.up_to_user or person <= chunk.up_to_user)
        ]
        facts = self.facts_of(chunk.round)
        if chunk.state == "missed":
            assert chunk.missed == len([person for person in inside if person in facts.too_late(self.now)])
        self.pass_over(chunk.round, inside)

    def facts_of(self, round_: Round) -> Facts:
        (facts,) = (facts for facts in self.all if facts.id == round_.stream_id)
        return facts

    def those_of(self, round_: Round) -> list[str]:
        asked = self.facts_of(round_).asked
        return [person for person, minute in asked.items() if round_.kind != "reminder" or minute == round_.minute]

    def pass_over(self, round_: Round, people: list[str]) -> None:
        """The look at a person is over; a ban or a deletion that it fell into is not made good afterwards."""
        facts = self.facts_of(round_)
        facts.passed_over |= {
            (person, round_.kind, round_.due_at)
            for person in people
            if facts.deleted or facts.blocked(person, self.now)
        }

    def ledger(self) -> set[tuple[str, str, str, datetime | None]]:
        rows = Notification.objects.values_list("stream_id", "user_id", "kind", "planned_start_at")
        return {(stream, person, str(kind), planned) for stream, person, kind, planned in rows}

    # what people see

    def look(self, number: int) -> None:
        facts, person = self.stream, self.person(number).pk
        rows = ON_STREAM.rows(user=person, stream=facts.id, now=self.now)
        if facts.deleted or person not in facts.asked:
            assert rows == []
        else:
            assert built(rows[0], person)["status"] == facts.status_of(person, self.now)


# --- the proof ------------------------------------------------------------------------------------


@pytest.fixture
def people(db: None) -> list[User]:
    return [make_user(f"viewer{number}") for number in range(PEOPLE)]


@pytest.mark.parametrize("part", range(PARTS))
def test_after_any_history_everybody_was_told_exactly_what_the_rules_say(
    part: int, people: list[User], creator: User, guest: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.NOTIFICATION_CHANNELS = {}
    monkeypatch.setattr(rounds, "CHUNK", 2)
    monkeypatch.setattr(batches, "MOST_JOBS", 2)
    seen: Counter[str] = Counter()
    for seed in range(part, HISTORIES, PARTS):
        history = history_of(seed)
        try:
            seen += play(history, World(people, creator, guest))
        except Exception as error:
            error.add_note(f"seed {seed}: {history}")
            raise
    # Histories in which little happens prove little.
    assert set(seen) >= {"reminder", "live", "cancelled", "missed round", "missed chunk", "void round", "void chunk"}
    assert min(seen[kind] for kind in ("reminder", "live", "cancelled")) > 20


def history_of(seed: int) -> list[tuple[str, int]]:
    chance = Random(seed)
    return [(step, chance.randrange(100)) for step in chance.choices(list(STEPS), list(STEPS.values()), k=LENGTH)]


def play(history: list[tuple[str, int]], world: World) -> Counter[str]:
    """Live through a history; how often what happened."""
    with suppress(Killed), transaction.atomic():
        world.begin()
        for step, number in history:
            world.act(step, number)
            if number % 4 == 0:
                world.look(number // 4)
        world.work()
        seen = Counter(kind for facts in world.all for _, kind, _ in facts.told)
        seen.update(f"{state} round" for state in Round.objects.values_list("state", flat=True))
        seen.update(f"{state} chunk" for state in Chunk.objects.values_list("state", flat=True))
        raise Killed
    return seen
