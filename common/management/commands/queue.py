"""Look at the jobs that are stored, let them run again, and cancel them."""

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db.models import Count, Q
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob

from common import lock_holders
from common.clock import database_time
from common.command_values import age, limit, number
from common.commands import OperatorCommand, Outcome, refuse_missing, refuse_unclear_choice
from common.items import Items
from common.jobs import settled
from common.jobs.stored import (
    CANCELLABLE,
    RETRIABLE,
    Result,
    Seen,
    State,
    Wanted,
    cancel_job,
    jobs,
    retry_job,
    seen,
)

FILTERS = ("state", "task", "queue", "older_than")
DONE = {"retry": "due now", "cancel": "cancelled"}


class Command(OperatorCommand):
    help = (
        "list: the jobs that are stored, by state, task, queue and age. due and scheduled jobs wait, running ones\n"
        "have a worker, stalled ones have lost it (workers take them over), failed ones have used all their attempts.\n"
        "Jobs that succeed are deleted.\n"
        "show: one job with its arguments and events. locks: who holds and who waits for locks of jobs and of the\n"
        "database.\n"
        "retry: let failed and stalled jobs run again. cancel: cancel jobs that wait. Name ids or filters, or --all.\n"
        "Copies that run at once change each job once. queue ACTION --help lists the options of an action."
    )
    examples = (
        "python manage.py queue list",
        "python manage.py queue list --state failed --task deliver --older-than 1h --json",
        "python manage.py queue show 4711",
        "python manage.py queue locks",
        "python manage.py queue retry 4711 --reason 'The storage is back' --dry-run",
        "python manage.py queue retry --state failed --reason 'The storage is back'",
        "python manage.py queue cancel --task count_statistics --older-than 1d --reason 'Not needed now'",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        actions = self.add_actions(parser)
        listing = self.add_action(actions, "list", "list jobs, the oldest first")
        _add_filters(listing, tuple(State))
        listing.add_argument("--limit", type=limit, default=100, help="list at most so many; default: 100")
        show = self.add_action(actions, "show", "show one job")
        show.add_argument("id", metavar="ID", type=number, help="the id of a job")
        self.add_action(actions, "locks", "show who holds locks and who waits for them")
        for name, text, states in (
            ("retry", "let jobs that failed or stalled run again", RETRIABLE),
            ("cancel", "cancel jobs that wait", CANCELLABLE),
        ):
            action = self.add_action(actions, name, text, changes_data=True)
            action.add_argument("ids", metavar="ID", nargs="*", type=number, help="the id of a job")
            _add_filters(action, states)
            action.add_argument("--all", action="store_true", help=f"all that are {' or '.join(states)}")

    def work(self, **options: Any) -> Outcome:
        action: str = options.pop("action")
        match action:
            case "list":
                return _listed(_wanted(**options), limit=options["limit"])
            case "show":
                return _shown(options["id"])
            case "locks":
                return _locks()
        states = RETRIABLE if action == "retry" else CANCELLABLE
        chosen = _chosen(states, **options)
        return self._changed(action, chosen, states, reason=options["reason"], dry_run=options["dry_run"])

    def _changed(
        self, action: str, chosen: Sequence[Seen], states: Sequence[State], *, reason: str, dry_run: bool
    ) -> Outcome:
        change: Callable[..., Result] = retry_job if action == "retry" else cancel_job
        done: dict[Result, list[int]] = {result: [] for result in Result}
        items = Items(f"{action}_job")
        for listed in self.each(chosen, label=f"{action}:"):
            with items.item(str(listed.id)):
                done[_foreseen(listed, states) if dry_run else change(listed, reason=reason)].append(listed.id)
        would = "would be" if dry_run else "are"
        superseded = f", {len(done[Result.SUPERSEDED])} have a later job that waits" if done[Result.SUPERSEDED] else ""
        unchanged = f"{len(done[Result.UNCHANGED])} unchanged{superseded}"
        text = f"{len(done[Result.DONE])} jobs {would} {DONE[action]}, {unchanged}."
        facts = {"dry_run": dry_run, "action": action, **{str(result): ids for result, ids in done.items()}}
        facts["failed_ids"] = items.failed
        return Outcome(facts, "\n".join([*map(str, done[Result.DONE]), text]), "\n".join(items.problems))


def _add_filters(action: ArgumentParser, states: Sequence[State]) -> None:
    action.add_argument("--state", action="append", choices=[*states], help="only these; repeatable")
    action.add_argument("--task", metavar="NAME", help="only of this task: its whole name or the last part")
    action.add_argument("--queue", choices=sorted(settings.WORKER_QUEUES), help="only of this queue")
    action.add_argument("--older-than", metavar="AGE", type=age, help="only those that have their state for longer: 2h")


def _wanted(states: Sequence[str] = (), ids: Sequence[int] = (), **options: Any) -> Wanted:
    return Wanted(
        states=tuple(options["state"] or states),
        ids=tuple(ids),
        task=options["task"] or "",
        queue=options["queue"] or "",
        older_than=options["older_than"],
    )


# --- looking --------------------------------------------------------------------------------------


def _listed(wanted: Wanted, *, limit: int) -> Outcome:
    now = database_time()
    found = jobs(wanted, now=now)
    counted = found.order_by().values_list("queue_name", "task_name", "state").annotate(count=Count("pk"))
    counts = [
        {"queue": queue, "task": task, "state": state, "count": count}
        for queue, task, state, count in counted.order_by("queue_name", "task_name", "state")
    ]
    rows = [_facts(job) for job in found[:limit]]
    total = sum(each["count"] for each in counts)
    summary = [f"{each['queue']} {each['task']} {each['state']}: {each['count']}" for each in counts]
    lines = [f"{row['id']} {row['task']} {row['state']} for {_age(now, row['since'])}" for row in rows]
    facts = {"total": total, "counts": counts, "jobs": rows}
    return Outcome(facts, "\n".join([*lines, *summary, f"{total} jobs, {len(rows)} listed."]))


def _facts(job: Any) -> dict[str, Any]:
    return {
        "id": job.pk,
        "queue": job.queue_name,
        "task": job.task_name,
        "state": job.state,
        "since": job.since,
        "scheduled_at": job.scheduled_at,
        "attempts": job.attempts,
        "priority": job.priority,
        "lock": job.lock,
        "worker": job.worker_id,
    }


def _age(now: Any, since: Any) -> str:
    return "an unknown time" if since is None else str(timedelta(seconds=int((now - since).total_seconds())))


def _shown(job_id: int) -> Outcome:
    now = database_time()
    job = jobs(Wanted(ids=(job_id,)), now=now).select_related("worker").first()
    if job is None:
        raise CommandError(f"ID: there is no job with the id {job_id}; jobs that succeed are deleted.", returncode=2)
    events = ProcrastinateEvent.objects.filter(job=job_id).order_by("pk").values("type", "at")
    facts = {
        **_facts(job),
        "arguments": job.args,
        "queueing_lock": job.queueing_lock,
        "heartbeat_of_worker": job.worker and job.worker.last_heartbeat,
        "is_known": job.task_name in app.tasks,
        "is_settled": settled.is_settled(job),
        "events": list(events),
    }
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in facts.items() if name != "events"]
    lines += [f"{event['at']:%Y-%m-%d %H:%M:%S} {event['type']}" for event in facts["events"]]
    return Outcome(facts, "\n".join(lines))


def _locks() -> Outcome:
    waiting, running = Count("pk", filter=Q(status="todo")), Count("pk", filter=Q(status="doing"))
    open_jobs = ProcrastinateJob.objects.filter(status__in=("todo", "doing"), lock__isnull=False)
    of_jobs = list(open_jobs.values("lock").annotate(running=running, waiting=waiting).order_by("lock"))
    holders = lock_holders.holders()
    lines = [f"{each['lock']}: {each['running']} jobs run, {each['waiting']} wait" for each in of_jobs]
    lines += map(_line, holders)
    facts = {"jobs": of_jobs, "database": [holder._asdict() for holder in holders]}
    return Outcome(facts, "\n".join([*lines, f"{len(of_jobs)} locks of jobs, {len(holders)} of the database."]))


def _line(holder: lock_holders.Holder) -> str:
    does = "holds" if holder.is_granted else f"waits for {', '.join(map(str, holder.blocked_by))} with"
    since = f" since {holder.since:%Y-%m-%d %H:%M:%S}" if holder.since else ""
    return f"{holder.lock or holder.key}: process {holder.pid} ({holder.application}) {does} {holder.mode}{since}"


# --- changing -------------------------------------------------------------------------------------


def _chosen(states: Sequence[State], *, ids: Sequence[int], all: bool, **options: Any) -> list[Seen]:
    is_filtered = any(options[name] for name in FILTERS)
    refuse_unclear_choice(ids, is_filtered=is_filtered, all=all)
    now = database_time()
    if not ids:
        return seen(jobs(_wanted(states, **options), now=now))
    wanted = list(dict.fromkeys(ids))
    found = {each.id: each for each in seen(jobs(Wanted(ids=tuple(wanted)), now=now))}
    refuse_missing(wanted, found, kind="job")
    return [found[job_id] for job_id in wanted]


def _foreseen(listed: Seen, states: Sequence[State]) -> Result:
    is_in_state = jobs(Wanted(states=tuple(states), ids=(listed.id,)), now=database_time()).exists()
    return Result.DONE if is_in_state else Result.UNCHANGED
