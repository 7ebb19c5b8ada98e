"""A full disk: 503 `storage_full` in the envelope, a sentence in the admin, and nothing is left behind."""

import errno
import io
import os
import resource
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Media, User
from common.models import AuditEntry
from common.storage import StorageFull, StorageUnavailable
from common.storage.files import refusal_of
from common.storage.local import LocalStorage
from livestreams import services
from livestreams.models import LiveStream
from tests.admin.pages import action_url
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.full_disks import full, limited_files
from tests.hostile_pictures import small_png
from tests.livestreams.test_thumbnail import picture, put
from tests.storage.conftest import save
from tests.streams import STREAMS, make_stream, stream_url

SENTENCE = "there is no space for pictures at the moment; try again later"

type Filling = Callable[[Path], AbstractContextManager[None]]
FULL = [pytest.param(full, id="full file system"), pytest.param(lambda _folder: limited_files(), id="limited files")]


@pytest.fixture
def folder(settings: Any) -> Path:
    made = Path(settings.MEDIA_ROOT)
    (made / "thumbnails").mkdir(parents=True)
    return made


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.name != "filler"}


def large_picture() -> io.BytesIO:
    """So large that Django writes it to a temporary file before it is read."""
    file = io.BytesIO(small_png() + b"\0" * 4_000_000)
    file.name = "picture.png"
    return file


# --- the API ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("filled", FULL)
def test_an_upload_is_refused_and_leaves_nothing(filled: Filling, api: Api, creator: User, folder: Path) -> None:
    stream, client = make_stream(creator), api(creator)
    rows = AuditEntry.objects.count()

    with filled(folder):
        refused = put(client, stream, picture())
        left = files_in(folder)

    assert_refused(refused, 503, "storage_full", SENTENCE)
    assert refused.headers["Retry-After"] == "60"
    assert left == set()
    stream.refresh_from_db()
    assert (stream.thumbnail, AuditEntry.objects.count()) == ("", rows)
    data_of(put(client, stream, picture()))  # once there is space again


@pytest.mark.parametrize("filled", FULL)
def test_creating_with_a_picture_is_refused_and_without_one_works(
    filled: Filling, api: Api, creator: User, folder: Path
) -> None:
    client: Any = api(creator)
    with filled(folder):
        refused = client.post(f"{STREAMS}/create", {"title": "Talk", "thumbnail": picture()}, format="multipart")
        made = client.post(f"{STREAMS}/create", {"title": "Talk"}, format="multipart")

    assert_refused(refused, 503, "storage_full", SENTENCE)
    assert data_of(made, 201)["title"] == "Talk"
    assert LiveStream.objects.count() == 1


@pytest.mark.parametrize("filled", FULL)
def test_the_answer_is_the_same_for_a_request_with_a_key_and_is_not_kept(
    filled: Filling, api: Api, creator: User, folder: Path
) -> None:
    stream, client = make_stream(creator), api(creator)
    client.defaults["HTTP_IDEMPOTENCY_KEY"] = "one"
    with filled(folder):
        assert_refused(put(client, stream, picture()), 503, "storage_full", SENTENCE)

    again = put(client, stream, picture())

    assert again.status_code == 200
    assert "Idempotent-Replayed" not in again.headers


@pytest.mark.parametrize("filled", FULL)
def test_a_full_folder_of_temporary_files_is_no_crash(
    filled: Filling, api: Api, creator: User, folder: Path, tmp_path: Path, settings: Any
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    stream, client = make_stream(creator), api(creator)

    with filled(tmp_path):
        refused = put(client, stream, large_picture())
        left = files_in(tmp_path)

    assert_refused(refused, 503, "storage_full", SENTENCE)
    assert left == set()
    data_of(put(client, stream, large_picture()))


def test_the_refusal_is_in_the_language_of_the_caller(api: Api, creator: User, folder: Path) -> None:
    stream, client = make_stream(creator), api(creator)
    with limited_files():
        refused = client.put(
            stream_url(stream, "thumbnail"),
            {"thumbnail": picture()},
            format="multipart",
            headers={"Accept-Language": "tr"},
        )

    assert_refused(refused, 503, "storage_full", "şu anda resimler için yer yok; daha sonra yeniden deneyin")


# --- other errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_space_and_no_quota_are_the_same(number: int) -> None:
    assert isinstance(refusal_of(OSError(number, "no")), StorageFull)


def test_a_folder_that_cannot_be_written_is_unavailable(api: Api, creator: User, settings: Any) -> None:
    settings.MEDIA_ROOT.write_text("a file where the folder should be")
    stream = make_stream(creator)

    refused = put(api(creator), stream, picture())

    sentence = "pictures cannot be stored at the moment; try again shortly"
    assert_refused(refused, 503, "storage_unavailable", sentence)
    assert refused.headers["Retry-After"] == "5"


def test_a_write_that_fails_in_the_middle_leaves_no_temporary_file(folder: Path) -> None:
    with limited_files(1_000), pytest.raises(StorageFull):
        save("thumbnails/one.webp", b"x" * 1_001)
    with limited_files(1_000):
        save("thumbnails/two.webp", b"x" * 1_000)

    assert files_in(folder) == {"two.webp"}


def test_a_file_has_its_name_only_when_its_content_is_on_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[set[str]] = []
    sync = os.fsync

    def fsync(handle: int) -> None:
        synced.append(files_in(folder))
        sync(handle)

    monkeypatch.setattr("os.fsync", fsync)
    save("thumbnails/one.webp")

    (before,), after = synced  # of the file, and then of the folder
    assert before.startswith(".upload-")
    assert after == {"one.webp"}


def test_a_sync_that_fails_stores_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(handle: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(StorageUnavailable):
        save("thumbnails/one.webp")

    assert files_in(folder) == set()


# --- the admin ----------------------------------------------------------------------------------------


@pytest.fixture
def boss(client: Any, db: None) -> Any:
    client.force_login(User.objects.create_superuser("boss", "boss"))
    return client


@pytest.mark.parametrize("filled", FULL)
def test_the_form_of_the_admin_shows_a_sentence(filled: Filling, boss: Any, creator: User, folder: Path) -> None:
    with filled(folder):
        page = boss.post(
            action_url(creator, "set_profile_photo"), {"photo": picture()}, headers={"Accept-Language": "en"}
        )
        left = files_in(folder)

    assert page.status_code == 200
    assert SENTENCE in page.content.decode()
    assert (left, Media.objects.count()) == (set(), 0)


def test_a_photo_of_which_one_file_does_not_fit_leaves_none(
    boss: Any, creator: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LocalStorage._write
    sizes: list[int] = []

    def third_fails(storage: LocalStorage, path: Path, chunks: Any) -> None:
        sizes.append(len(sizes))
        if len(sizes) == 3:
            raise OSError(errno.ENOSPC, "no space left on device")
        write(storage, path, chunks)

    monkeypatch.setattr(LocalStorage, "_write", third_fails)
    page = boss.post(action_url(creator, "set_profile_photo"), {"photo": picture()})

    assert (page.status_code, len(sizes), files_in(folder)) == (200, 3, set())


def test_a_full_folder_of_temporary_files_is_a_page_of_the_admin(
    boss: Any, creator: User, tmp_path: Path, settings: Any
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    boss.raise_request_exception = False
    with full(tmp_path):
        page = boss.post(
            action_url(creator, "set_profile_photo"), {"photo": large_picture()}, headers={"Accept-Language": "en"}
        )

    assert page.status_code == 503
    assert SENTENCE in page.content.decode()


def test_a_change_elsewhere_goes_on_while_the_disk_is_full(creator: User, folder: Path) -> None:
    name = save("thumbnails/one.webp")
    stream = make_stream(creator, thumbnail=name)
    with full(folder):
        services.delete_stream(stream.pk, by=creator, now=timezone.now())

    assert LiveStream.all_objects.get(pk=stream.pk).is_deleted


def test_the_limits_of_this_process_are_as_before() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
