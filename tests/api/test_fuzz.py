"""Schemathesis with all operations over HTTP: no server error, no undocumented status, no response off the schema."""

import io
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Permission
from django.utils import timezone
from PIL import Image

from accounts import tokens
from accounts.models import Session, User
from bans.models import LiveStreamBan
from bans.services import ban_many
from common.models import AuditEntry
from edges.services import Cursor, admit
from edges.services.revocations import FROM_THE_BEGINNING
from livestreams.models import LiveStream, Status
from livestreams.services import cancel_stream, end_stream
from reminders.models import Notification, Reminder
from tests.api.operations import operations
from tests.bans.people import make_ban
from tests.conftest import PASSWORD, make_user, session_of
from tests.reminders.asking import remind
from tests.reminders.working import work
from tests.servers import running_server
from tests.streams import make_stream

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

HERE = Path(__file__).parent
# A seed generates the same calls each time. FUZZ_SEED sets another one.
SEED = int(os.environ.get("FUZZ_SEED", "20260115"))
# Sessions that the run may end or use up.
LEAVING = 1500

type Answers = dict[str, Counter[int]]


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "PNG")
    return file.getvalue()


def seeded_world(asking: str, folder: Path) -> dict[str, Any]:
    """Create streams in every state. Returns what the hooks need to call as `asking` ("" for nobody)."""
    people = {name: make_user(name) for name in ("creator", "guest", "stranger", "leaver", "host")}
    creator, guest, host = people["creator"], people["guest"], people["host"]
    crowd = [make_user(f"fan{number}") for number in range(20)]
    now = timezone.now() - timedelta(hours=2)
    # The active stream comes last: a creator has at most one, and the ended ones must be started before.
    order = [status for status in Status for _ in range(4) if status != Status.ACTIVE] + [Status.ACTIVE]
    streams = [make_stream(creator, status, now=now, guest=guest) for status in order]
    # Of the host, so that nobody who is asking moves them: one that has been banned from, and one that is watched.
    restricted = make_stream(host)
    bans = [make_ban(fan, restricted) for fan in crowd[:5]]
    batch = ban_many(restricted.pk, [fan.pk for fan in crowd[5:10]], by=host, now=timezone.now())
    reminders, notices = notified_of_cancelled_streams(people[asking or "guest"], host)
    planned = make_stream(host, planned_start_at=datetime(2040, 1, 1, 20, tzinfo=UTC))
    awaited = [planned, make_stream(host, Status.PREPARING), make_stream(host, Status.ENDED)]
    watched = make_stream(host, Status.ACTIVE)
    for viewer in (crowd[0], people[asking or "guest"]):
        admit(viewer, watched.pk, status=watched.status, role="audience", restriction=None, now=timezone.now())
    guested = make_stream(crowd[1], Status.ACTIVE, guest=creator)
    # The creator also speaks for an edge, so that there is somebody to whom everything can succeed.
    creator.user_permissions.add(Permission.objects.get(codename="enforce"))
    token = access_token(session_of(people[asking])) if asking else None
    # The server accepts only real hashes; the test settings use a cheap hasher.
    User.objects.filter(pk=creator.pk).update(password=PBKDF2PasswordHasher().encode(PASSWORD, "salt"))
    return {
        "token": token,
        "me": people[asking].pk if asking else None,
        "host": access_token(session_of(host)),
        "owns": asking == "creator",
        "credentials": {"username": asking, "password": PASSWORD} if asking == "creator" else None,
        "leaving": leaving(people["leaver"]) if asking else [],
        "streams": [stream.pk for stream in streams],
        "channels": [stream.channel_name for stream in streams],
        "guested": guested.pk,
        "users": [user.pk for user in people.values()],
        "usernames": [user.username for user in people.values()],
        "guest": guest.pk,
        "crowd": [fan.pk for fan in crowd],
        "bans": [ban.pk for ban in bans],
        "batch": batch.id,
        "awaited": [stream.pk for stream in awaited],
        "reminders": reminders,
        "notices": notices,
        "restricted": restricted.pk,
        "cursor": str(Cursor(restricted.pk, FROM_THE_BEGINNING)),
        "watched": watched.pk,
        "seen": [stream.pk for stream in seen_to_the_end(people[asking or "guest"], crowd[-5:])],
        "watching": crowd[0].pk,
        "picture": picture().hex(),
        "statuses": str(folder / "statuses.jsonl"),
    }


def seen_to_the_end(person: User, hosts: list[User]) -> list[LiveStream]:
    """Ended streams that the person has watched."""
    begun, now = timezone.now() - timedelta(hours=1), timezone.now()
    streams = [make_stream(host, Status.ACTIVE, now=begun) for host in hosts]
    for stream in streams:
        admit(person, stream.pk, status=stream.status, role="audience", restriction=None, now=begun)
    return [end_stream(stream.pk, by=stream.creator, now=now) for stream in streams]


def notified_of_cancelled_streams(person: User, host: User) -> tuple[list[str], list[str]]:
    """The ids of two reminders of the person, and of the notifications that their streams were cancelled."""
    for _ in range(2):
        stream = make_stream(host)
        remind(person, stream)
        cancel_stream(stream.pk, by=host, now=timezone.now())
    work(timezone.now())
    of_person = (kind.objects.filter(user=person).values_list("pk", flat=True) for kind in (Reminder, Notification))
    reminders, notices = map(list, of_person)
    return reminders, notices


def access_token(session: Session) -> str:
    return str(tokens.AccessToken.of(session, now=timezone.now()))


def leaving(leaver: User) -> list[dict[str, str]]:
    now = timezone.now()
    made = [
        Session(user=leaver, refresh_id=f"{number:032x}", created_at=now, expires_at=now + timedelta(days=1))
        for number in range(LEAVING)
    ]
    return [
        {"access": access_token(session), "refresh": str(tokens.RefreshToken.of(session, now=now))}
        for session in Session.objects.bulk_create(made)
    ]


def fuzzed(asking: str, folder: Path, *, phases: str, examples: int) -> Answers:
    """The statuses that schemathesis received by operation. Fails with its report when a check failed."""
    world = seeded_world(asking, folder)
    Path(world["statuses"]).touch()
    with running_server(workers=2) as server:
        file = folder / "world.json"
        file.write_text(json.dumps(world | {"url": server.url}), encoding="utf-8")
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
                *("run", f"{server.url}/api/schema/", "--url", server.url),
                *("--phases", phases, "--max-examples", str(examples), "--seed", str(SEED), "--no-color"),
            ],
            cwd=django_settings.BASE_DIR,
            env=os.environ | {"FUZZED_WORLD": str(file)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    answers: Answers = defaultdict(Counter)
    for line in (folder / "statuses.jsonl").read_text(encoding="utf-8").splitlines():
        operation, status = json.loads(line)
        answers[operation][status] += 1
    counted = [f"{operation}: {dict(sorted(counts.items()))}" for operation, counts in sorted(answers.items())]
    calls = sum(counts.total() for counts in answers.values())
    # pytest shows this for a failure, and with -s.
    sys.stdout.write("\n".join([run.stdout, f"{calls} calls as {asking or 'nobody'}", *counted, ""]))
    assert run.returncode == 0, f"schemathesis found something; FUZZ_SEED={SEED} finds it again"
    return answers


def test_fuzzing_as_the_creator_finds_no_fault_and_every_operation_succeeds(tmp_path: Path) -> None:
    answers = fuzzed("creator", tmp_path, phases="examples,coverage,fuzzing,stateful", examples=25)

    without_success = {str(each) for each in operations()} - {
        operation for operation, counted in answers.items() if any(200 <= status < 300 for status in counted)
    }
    assert not without_success


def test_fuzzing_as_a_stranger_finds_no_fault_and_changes_nothing_of_others(tmp_path: Path) -> None:
    answers = fuzzed("stranger", tmp_path, phases="examples,coverage,fuzzing", examples=10)

    for action in ("update", "delete", "start", "end", "cancel"):
        assert answers[f"{action}LiveStreamByIdV1"][403] > 0
    for operation in (
        "updateLiveStreamBanByIdV1",
        "deleteLiveStreamBanByIdV1",
        "deleteLiveStreamBanBulkByBatchidV1",
        "createLiveStreamBanByIdAppealV1",
    ):
        assert answers[operation][403] > 0
    of_others = LiveStream.all_objects.exclude(creator__username="stranger").values("pk")
    assert not AuditEntry.objects.filter(actor_name="stranger", target_id__in=of_others).exists()
    assert not LiveStreamBan.all_objects.filter(created_by__username="stranger", stream__in=of_others).exists()


def test_fuzzing_without_a_token_finds_no_fault_and_never_passes_authentication(tmp_path: Path) -> None:
    answers = fuzzed("", tmp_path, phases="examples,coverage,fuzzing", examples=10)

    for operation in operations():
        if operation.needs_token:
            assert not {200, 201, 403, 404, 409} & set(answers[str(operation)]), operation
