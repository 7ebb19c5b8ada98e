"""`media check`: orphans, holes and names that should have changed, in a folder and in a bucket."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from common.models import AuditEntry
from common.storage import checking, sources, storage
from livestreams import services
from livestreams.models import LiveStream
from livestreams.tasks import rename_thumbnail
from livestreams.thumbnails import new_name
from tests.accounts.test_profile_photo import picture as photo
from tests.storage.conftest import media, save
from tests.streams import make_stream

type Age = Callable[[], None]


def found(facts: dict[str, Any]) -> dict[str, Any]:
    """What is wrong: names of files by kind."""
    return {
        kind: [each if isinstance(each, str) else each["name"] for each in facts[kind]["first"]]
        for kind in ("orphans", "temporary", "holes", "unrenamed")
        if facts[kind]["count"]
    }


def names() -> set[str]:
    return {file.name for file in storage().walk(["photos/", "thumbnails/"])}


def stream_with_picture(creator: User, now: datetime | None = None) -> LiveStream:
    return make_stream(creator, thumbnail=save(new_name()), now=now)


@pytest.fixture
def long_ago() -> datetime:
    return timezone.now() - timedelta(days=3)


def test_what_fits_is_no_finding(kind: str, make_old: Age, creator: User, now: datetime) -> None:
    stream_with_picture(creator)
    make_stream(creator)
    accounts.set_profile_photo(creator, photo(), by=creator, now=now)
    make_old()

    facts = media("check")

    assert found(facts) == {}
    assert (facts["files"], facts["rows"]) == (5, 5)


def test_files_without_a_row_are_orphans_after_an_hour(kind: str, make_old: Age, creator: User) -> None:
    stream_with_picture(creator)
    orphan, temporary, other = save(new_name()), save("photos/.upload-0123"), save("photos/notes.txt")
    assert found(media("check")) == {}, "an upload may be under way"
    make_old()

    facts = media("check")

    assert found(facts) == {"orphans": [orphan], "temporary": [temporary]}
    assert facts["other_files"] == 1
    assert names() >= {orphan, temporary, other}


def test_orphans_are_deleted_on_request_with_audit_rows(kind: str, make_old: Age, creator: User) -> None:
    kept = stream_with_picture(creator).thumbnail
    orphans = {save(new_name()) for _ in range(checking.BATCH + 1)} | {save("photos/.upload-0123")}
    save("photos/notes.txt")
    make_old()

    planned = media("check", "--delete-orphans", "--dry-run")
    assert (planned["dry_run"], planned["deleted"]) == (True, 0)
    assert orphans <= names()
    assert not AuditEntry.objects.filter(action="delete_stored_files").exists()
    facts = media("check", "--delete-orphans")

    assert (facts["deleted"], names()) == (len(orphans), {kept, "photos/notes.txt"})
    rows = AuditEntry.objects.filter(action="delete_stored_files").order_by("pk")
    assert [row.after["removed"] for row in rows] == [checking.BATCH, 2]
    assert {name for row in rows for name in row.after["files"]} == orphans
    assert {row.entry_point for row in rows} == {"command"}
    assert found(media("check")) == {}


def test_rows_without_their_file_are_holes(kind: str, creator: User, now: datetime) -> None:
    stream = stream_with_picture(creator)
    user = accounts.set_profile_photo(creator, photo(), by=creator, now=now)
    assert user.profile_photo
    square = user.profile_photo.variants["76"]
    for name in (stream.thumbnail, square):
        storage().delete(name)

    facts = media("check")

    assert set(found(facts)["holes"]) == {stream.thumbnail, square}
    assert {(each["kind"], each["id"]) for each in facts["holes"]["first"]} == {
        ("livestream", stream.pk),
        ("media", user.profile_photo_id),
    }


def test_a_picture_that_was_stored_after_the_listing_is_no_hole(
    kind: str, creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload is committed after the files were listed and before the rows are read."""
    late: list[LiveStream] = []

    def stored_late() -> Any:
        listed = storage().walk

        def walk(folders: Any) -> Any:
            yield from listed(folders)
            late.append(stream_with_picture(creator))

        monkeypatch.setattr(type(storage()._wrapped), "walk", lambda _self, folders: walk(folders))  # type: ignore[attr-defined]
        return sources.sources()

    monkeypatch.setattr(checking, "sources", stored_late)

    assert found(media("check")) == {}
    assert len(late) == 1


# --- pictures of deleted streams ------------------------------------------------------------------------


def deleted(stream: LiveStream, when: datetime) -> str:
    """Delete the stream at that time; returns the name that its picture is to get."""
    services.delete_stream(stream.pk, by=stream.creator, now=when)
    return LiveStream.all_objects.get(pk=stream.pk).thumbnail


def test_a_picture_whose_job_was_lost_is_found_and_renamed(
    kind: str, make_old: Age, creator: User, long_ago: datetime
) -> None:
    stream = stream_with_picture(creator, now=long_ago)
    published = stream.thumbnail
    hidden = deleted(stream, long_ago)
    make_old()

    facts = media("check", "--delete-orphans", "--rename", "--dry-run")
    assert found(facts) == {"unrenamed": [hidden]}, "neither a hole nor an orphan"
    assert facts["unrenamed"]["first"][0]["now"] == published
    assert media("check", "--delete-orphans")["deleted"] == 0
    assert names() == {published}
    facts = media("check", "--delete-orphans", "--rename")

    assert (facts["renamed"], names()) == (1, {hidden})
    row = AuditEntry.objects.get(action="rename_stored_files")
    assert row.after == {"renamed": 1, "files": [hidden]}
    assert found(media("check")) == {}


def test_a_picture_that_was_just_deleted_waits_for_its_job(kind: str, make_old: Age, creator: User) -> None:
    stream = stream_with_picture(creator, now=timezone.now() - timedelta(minutes=5))
    published = stream.thumbnail
    if kind == "local":
        make_old()
    hidden = deleted(stream, timezone.now())

    assert found(media("check", "--delete-orphans", "--rename")) == {}
    assert names() == {published}
    rename_thumbnail(old=published, new=hidden)
    assert found(media("check")) == {}


def test_two_jobs_that_were_lost_are_followed_back(kind: str, make_old: Age, creator: User, long_ago: datetime) -> None:
    stream = stream_with_picture(creator, now=long_ago)
    published = stream.thumbnail
    deleted(stream, long_ago)
    services.restore_own_stream(stream.pk, by=creator, now=long_ago)
    hidden = deleted(stream, long_ago)
    make_old()

    assert found(media("check", "--rename")) == {"unrenamed": [hidden]}

    assert (storage().exists(published), names()) == (False, {hidden})


def test_an_interrupted_renaming_leaves_an_orphan(kind: str, make_old: Age, creator: User, long_ago: datetime) -> None:
    stream = stream_with_picture(creator, now=long_ago)
    published = stream.thumbnail
    hidden = deleted(stream, long_ago)
    save(hidden)  # copied, and then interrupted
    make_old()

    assert found(media("check", "--delete-orphans")) == {"orphans": [published]}
    assert names() == {hidden}


def test_a_picture_that_is_nowhere_is_a_hole(kind: str, creator: User, long_ago: datetime) -> None:
    stream = stream_with_picture(creator, now=long_ago)
    storage().delete(stream.thumbnail)
    hidden = deleted(stream, long_ago)

    assert found(media("check")) == {"holes": [hidden]}
