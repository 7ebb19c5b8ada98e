"""manage.py seed_demo"""

import json
from typing import Any

from django.conf import global_settings

from accounts.models import User
from common.models import AuditEntry
from config.world import ACCOUNTS, PEOPLE
from livestreams.models import LiveStream, Status
from tests.commands.conftest import Run, Start


def test_it_makes_people_with_photos_and_streams_in_every_state(run: Run, settings: Any) -> None:
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # as the command has them
    assert json.loads(run("seed_demo", "--json").stdout) == {"dry_run": False, "seeded": True}

    assert User.objects.count() == len(PEOPLE) == 50
    assert not User.objects.filter(profile_photo=None).exists()
    assert set(LiveStream.objects.values_list("status", flat=True)) == set(Status.values)
    assert LiveStream.all_objects.filter(deleted_at__isnull=False).count() == 2
    assert LiveStream.objects.filter(guest__isnull=False).exists()
    for account in ACCOUNTS:
        assert User.objects.get(username=account.username).check_password(account.password)


def test_every_row_of_the_world_left_its_audit_row(run: Run) -> None:
    run("seed_demo")

    created = AuditEntry.objects.filter(action__in=("create_user", "create_stream"))
    assert created.count() == User.objects.count() + LiveStream.all_objects.count()
    assert set(AuditEntry.objects.values_list("door", flat=True)) == {"command"}


def test_a_dry_run_makes_nothing(run: Run) -> None:
    assert json.loads(run("seed_demo", "--dry-run", "--json").stdout) == {"dry_run": True, "seeded": True}
    assert not User.objects.exists()


def test_two_copies_at_once_make_one_world(start: Start) -> None:
    copies = [start("seed_demo", "--json") for _ in range(2)]

    answers = [copy.communicate(timeout=120) for copy in copies]

    assert sorted(json.loads(output)["seeded"] for output, _ in answers) == [False, True]
    assert [errors for _, errors in answers] == ["", ""]
    assert User.objects.count() == 50
