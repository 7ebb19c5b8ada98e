"""manage.py backup and restore: what is in a backup is in the restored installation."""

import json
import os
import stat
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from common import seals
from common.models import AuditEntry, RateCounter
from livestreams import services
from tests.accounts.test_profile_photo import picture as photo
from tests.commands.backups import backup_here, backup_of, empty_database, names_in, pictured_stream, tables_of, target
from tests.commands.conftest import Run
from tests.commands.example_rows import make_role
from tests.s3 import ObjectServer
from tests.servers import database_url
from tests.storage.conftest import object_server  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)
OWNER = "owner_of_restored"


@pytest.fixture
def world(pictures: Path, creator: User, viewer: User, now: datetime) -> None:
    """Pictures of streams and people, a deleted stream, and a sealed audit trail."""
    for _ in range(3):
        pictured_stream(creator)
    pictured_stream(creator, status="ended")
    services.delete_stream(pictured_stream(creator).pk, by=creator, now=now)
    accounts.set_profile_photo(viewer, photo(), by=viewer, now=now)
    seals.seal_rows(now=now, report=lambda seal: None)


def contents_of(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.rglob("*.webp"))


def test_every_row_and_picture_is_restored(world: None, run: Run, pictures: Path, tmp_path: Path) -> None:
    before = tables_of(database_url())
    backup = backup_of(run, tmp_path)

    with empty_database() as url:
        elsewhere = target(url, tmp_path)
        finished = run("restore", str(backup), "--json", **elsewhere)
        after = tables_of(url)
        checked = run("media", "check", "--json", **elsewhere)
        examined = run("doctor", "--audit", "--json", **elsewhere)

    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["problems"] == []
    # The command leaves its own row.
    assert after.pop("common_auditentry")[0] == before.pop("common_auditentry")[0] + 1
    assert after == before
    # The job that renames the picture of the deleted stream has not run; the restored one has the name of its row.
    assert contents_of(tmp_path / "restored" / "media") == contents_of(pictures)
    assert checked.returncode == 0, checked.stdout
    assert examined.returncode == 0, examined.stdout


def test_a_backup_leaves_an_audit_row_after_its_snapshot(world: None, tmp_path: Path) -> None:
    backup = backup_here(tmp_path)

    manifest = json.loads((backup / "manifest.json").read_bytes())
    (row,) = AuditEntry.objects.filter(action="make_backup")
    assert row.after == {"file": backup.name, "rows": sum(manifest["rows"].values()), "files": manifest["files"]}
    assert manifest["rows"]["common_auditentry"] == AuditEntry.objects.count() - 1


def test_sha256sum_accepts_the_checksums(world: None, tmp_path: Path) -> None:
    backup = backup_here(tmp_path)

    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=backup, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count(": OK") == json.loads((backup / "manifest.json").read_bytes())["files"]


def test_no_other_user_can_read_a_backup(world: None, tmp_path: Path) -> None:
    backup = backup_here(tmp_path)

    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in backup.rglob("*") if path.is_file()} == {0o600}


def test_a_role_that_is_no_superuser_restores_what_it_then_owns(world: None, run: Run, tmp_path: Path) -> None:
    make_role(OWNER, "LOGIN")
    backup = backup_of(run, tmp_path)

    with empty_database(owner=OWNER) as url:
        finished = run("restore", str(backup), "--json", **target(url, tmp_path))

    assert finished.returncode == 0, finished.stderr


def test_counters_of_rate_limits_are_left_out(world: None, run: Run, tmp_path: Path, now: datetime) -> None:
    RateCounter.objects.create(key="00000000-0000-0000-0000-000000000001", count=1, ends_at=now)
    backup = backup_of(run, tmp_path)

    with empty_database() as url:
        finished = run("restore", str(backup), **target(url, tmp_path))

    assert finished.returncode == 0, finished.stderr
    assert "common_ratecounter" not in json.loads((backup / "manifest.json").read_bytes())["rows"]


def test_archives_of_the_trail_are_in_a_backup(world: None, run: Run, place: dict[str, str], tmp_path: Path) -> None:
    content = os.urandom(1000)
    folder = Path(place["KUMANDA_DATA"]) / "audit-archive"
    folder.mkdir()
    (folder / "audit-0001.ndjson.gz").write_bytes(content)
    (folder / "another file").write_bytes(content)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO common_auditarchive (number, file, sha256, first_id, last_id, rows, archived_at)"
            " VALUES (1, 'audit-0001.ndjson.gz', '', 1, 2, 2, now())"
        )
    backup = backup_of(run, tmp_path)

    with empty_database() as url:
        elsewhere = target(url, tmp_path)
        finished = run("restore", str(backup), **elsewhere)

    restored = tmp_path / "restored" / "audit-archive"
    assert names_in(restored) == ["audit-0001.ndjson.gz"]
    assert (restored / "audit-0001.ndjson.gz").read_bytes() == content
    # It is no archive, so what verifies the trail says so.
    assert finished.returncode == 1
    assert "audit_trail_altered" in finished.stderr


def test_pictures_of_a_bucket_are_restored_into_a_bucket(
    creator: User,
    run: Run,
    tmp_path: Path,
    settings: pytest.FixtureRequest,
    object_server: ObjectServer,  # noqa: F811
) -> None:
    first, second = object_server.new_bucket(prefix="media"), object_server.new_bucket(prefix="")
    first.use(settings)
    names = {pictured_stream(creator).thumbnail for _ in range(3)}
    backup = backup_of(run, tmp_path, **first.environment)

    with empty_database() as url:
        elsewhere = target(url, tmp_path) | second.environment
        finished = run("restore", str(backup), **elsewhere)

    assert finished.returncode == 0, finished.stderr
    assert second.objects().keys() == names
    assert {second.fetched(name)[1] for name in names} == {name.encode() * 100 for name in names}


def test_missing_pictures_are_a_problem_and_the_backup_is_made(
    world: None, run: Run, pictures: Path, tmp_path: Path
) -> None:
    gone = next((pictures / "photos").iterdir())
    gone.unlink()

    finished = run("backup", "--folder", str(tmp_path / "backups"), "--json")

    assert finished.returncode == 1
    assert json.loads(finished.stdout)["missing"] == {"count": 1, "first": [f"photos/{gone.name}"]}
    assert "media check" in finished.stderr
    assert len(names_in(tmp_path / "backups")) == 1


def test_only_the_newest_backups_are_kept_if_asked(world: None, run: Run, tmp_path: Path) -> None:
    made = [backup_here(tmp_path / "backups").name for _ in range(3)]
    (tmp_path / "backups" / "backup-of-another-program").mkdir()
    assert len(set(made)) == 3

    finished = run("backup", "--folder", str(tmp_path / "backups"), "--keep", "2", "--json")

    facts = json.loads(finished.stdout)
    assert facts["removed"] == made[:2]
    kept = [made[2], Path(facts["backup"]).name, "backup-of-another-program"]
    assert names_in(tmp_path / "backups") == sorted(kept)


def test_a_dry_run_changes_nothing(world: None, run: Run, tmp_path: Path) -> None:
    planned = run("backup", "--folder", str(tmp_path / "backups"), "--dry-run", "--json")

    facts = json.loads(planned.stdout)
    assert facts["pictures_bytes"] > 0
    assert facts["database_bytes"] > 100_000
    assert not (tmp_path / "backups").exists()
    backup = backup_of(run, tmp_path)
    with empty_database() as url:
        tried = run("restore", str(backup), "--dry-run", "--json", **target(url, tmp_path))
        assert tables_of(url) == {}
    assert tried.returncode == 0, tried.stderr
    assert json.loads(tried.stdout)["pictures"] == 9
    assert names_in(tmp_path / "restored") == []


def test_the_version_of_the_manifest_is_that_of_the_service(world: None, tmp_path: Path) -> None:
    before = timezone.now()
    manifest = json.loads((backup_here(tmp_path) / "manifest.json").read_bytes())

    assert manifest["version"] == settings.SPECTACULAR_SETTINGS["VERSION"]
    assert datetime.fromisoformat(manifest["made_at"]) > before
    assert manifest["seals"] == 1
    assert manifest["newest_seal"].startswith("1:")
