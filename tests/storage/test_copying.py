"""`media copy`: from a folder to a bucket, while pictures are deleted; and wrong uses of `media`."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from common.models import AuditEntry
from livestreams import services
from livestreams.models import LiveStream
from livestreams.thumbnails import new_name
from tests.accounts.test_profile_photo import picture as photo
from tests.livestreams.test_thumbnail import work
from tests.s3 import ObjectServer, TestBucket
from tests.storage.conftest import media, save
from tests.streams import make_stream


@pytest.fixture
def empty(object_server: ObjectServer) -> TestBucket:
    """A bucket that is not used yet."""
    return object_server.new_bucket()


@pytest.mark.slow
def test_what_rows_name_is_copied_once(empty: TestBucket, creator: User, settings: Any) -> None:
    stream = make_stream(creator, thumbnail=save(new_name(), b"one"))
    user = accounts.set_profile_photo(creator, photo(), by=creator, now=timezone.now())
    save(new_name(), b"an orphan")
    empty.use(settings)

    planned = media("copy", "--dry-run")
    assert (planned["copied"], empty.objects()) == (5, {})
    first, second = media("copy"), media("copy")

    assert user.profile_photo
    wanted = {stream.thumbnail, user.profile_photo.file, *user.profile_photo.variants.values()}
    assert set(empty.objects()) == wanted
    assert empty.fetched(stream.thumbnail) == (200, b"one")
    assert [(facts["copied"], facts["present"], facts["missing"]["count"]) for facts in (first, second)] == [
        (5, 0, 0),
        (0, 5, 0),
    ]
    assert [row.after for row in AuditEntry.objects.filter(action="copy_stored_files")] == [{"copied": 5}]


@pytest.mark.slow
def test_a_stream_that_is_deleted_between_two_copies_leaves_nothing_behind(
    empty: TestBucket, creator: User, settings: Any
) -> None:
    folder = settings.MEDIA_ROOT
    early, late = (make_stream(creator, thumbnail=save(new_name(), b"one")) for _ in range(2))
    local = settings.STORAGES
    empty.use(settings)
    media("copy")
    settings.STORAGES = local
    for stream in (early, late):
        services.delete_stream(stream.pk, by=creator, now=timezone.now())
    # The job of one stream ran with the folder, that of the other runs with the bucket.
    names = [LiveStream.all_objects.get(pk=stream.pk).thumbnail for stream in (early, late)]
    (folder / early.thumbnail).rename(folder / names[0])
    empty.use(settings)
    media("copy")
    work()

    assert set(names) <= set(empty.objects())
    assert empty.fetched(late.thumbnail)[0] == 404


@pytest.mark.slow
def test_a_picture_that_is_still_to_be_renamed_is_copied_under_its_new_name(
    empty: TestBucket, creator: User, settings: Any
) -> None:
    stream = make_stream(creator, thumbnail=save(new_name(), b"one"))
    services.delete_stream(stream.pk, by=creator, now=timezone.now())
    empty.use(settings)

    facts = media("copy")
    work()

    hidden = LiveStream.all_objects.get(pk=stream.pk).thumbnail
    assert (facts["copied"], set(empty.objects())) == (1, {hidden})


@pytest.mark.slow
def test_files_that_are_nowhere_are_reported(empty: TestBucket, creator: User, settings: Any) -> None:
    make_stream(creator, thumbnail="thumbnails/lost.webp")
    Path(settings.MEDIA_ROOT).mkdir(parents=True)
    empty.use(settings)

    with pytest.raises(CommandError, match="1 files are missing") as reported:
        call_command("media", "copy", stdout=io.StringIO())

    assert reported.value.returncode == 1


@pytest.mark.slow
def test_a_bucket_that_does_not_answer_is_no_traceback(bucket: TestBucket) -> None:
    bucket.server.client.delete_bucket(Bucket=bucket.name)

    with pytest.raises(CommandError, match=r"The storage does not do it: .*NoSuchBucket") as reported:
        call_command("media", "check", stdout=io.StringIO())

    assert reported.value.returncode == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("copy",), "Set MEDIA_STORAGE_KIND=s3, or name another folder with --from."),
        (("copy", "--from", "/no/such/folder"), "There is no folder /no/such/folder."),
        (("copy", "--delete-orphans"), "--delete-orphans and --rename are for check."),
        (("check", "--from", "."), "--from is for copy."),
    ],
)
def test_a_wrong_use_is_refused(words: tuple[str, ...], message: str, db: None, settings: Any) -> None:
    Path(settings.MEDIA_ROOT).mkdir(parents=True)

    with pytest.raises(CommandError) as refused:
        call_command("media", *words)

    assert (str(refused.value), refused.value.returncode) == (message, 2)


def test_the_text_names_what_is_wrong(db: None, creator: User) -> None:
    make_stream(creator, thumbnail="thumbnails/lost.webp")
    out = io.StringIO()

    with pytest.raises(CommandError, match="1 files are missing; restore them from a backup"):
        call_command("media", "check", stdout=out)

    assert "0 files and 1 names of files in rows were compared in a folder." in out.getvalue()
    assert "1 holes, rows whose file is missing:\n  thumbnails/lost.webp of livestream " in out.getvalue()
