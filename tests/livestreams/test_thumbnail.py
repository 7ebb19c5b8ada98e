"""PUT and DELETE /api/v1/live-stream/{id}/thumbnail"""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from common.models import AuditEntry
from livestreams import services, tasks
from livestreams.models import LiveStream, Status
from tests.api.operations import PICTURE_FORM
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.hostile_forms import CONTENT_TYPE
from tests.races import at_once
from tests.streams import make_stream, stream_url

DEFAULT = "/static/livestreams/default-thumbnail.webp"


def picture(colour: str = "teal", size: tuple[int, int] = (64, 48)) -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    file.seek(0)
    file.name = "picture.png"
    return file


def put(client: Any, stream: LiveStream, file: Any) -> Any:
    return client.put(stream_url(stream, "thumbnail"), {"thumbnail": file}, format="multipart")


def stored() -> set[str]:
    """The names of the stored files."""
    root = Path(default_storage.location)  # type: ignore[attr-defined]
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def work() -> None:
    """Run the jobs of pictures in the order in which they were inserted, as a worker would."""
    for job in ProcrastinateJob.objects.filter(task_name__contains="thumbnail", status="todo").order_by("id"):
        getattr(tasks, job.task_name.rpartition(".")[2])(**job.args)
        ProcrastinateJob.objects.filter(pk=job.pk).delete()


# --- setting --------------------------------------------------------------------------------------


def test_a_picture_is_re_encoded_and_shown(api: Api, creator: User, settings: Any) -> None:
    stream = make_stream(creator)

    data = data_of(put(api(creator), stream, picture(size=(2560, 1280))))

    name = data["thumbnailUrl"].removeprefix(settings.MEDIA_URL)
    assert stored() == {name}
    with default_storage.open(name) as file, Image.open(file) as made:
        assert (made.format, made.size) == ("WEBP", (1280, 640))
    assert data_of(api(creator).get(stream_url(stream))) == data


def test_the_picture_before_is_deleted_by_a_worker(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    client: Any = api(creator)
    first = data_of(put(client, stream, picture()))["thumbnailUrl"]

    second = data_of(put(client, stream, picture("red")))["thumbnailUrl"]

    assert second != first
    assert len(stored()) == 2
    work()
    assert [second.endswith(name) for name in stored()] == [True]


@pytest.mark.parametrize("status", list(Status))
def test_the_picture_may_be_changed_in_every_state(status: Status, api: Api, creator: User) -> None:
    stream = make_stream(creator, status)

    data = data_of(put(api(creator), stream, picture()))

    assert (data["status"], DEFAULT in data["thumbnailUrl"]) == (status, False)


def test_setting_a_picture_writes_one_audit_row(api: Api, creator: User) -> None:
    stream = make_stream(creator)

    put(api(creator), stream, picture())

    (row,) = AuditEntry.objects.filter(target_id=stream.pk, action__contains="thumbnail")
    stream.refresh_from_db()
    assert (row.action, row.actor_name, row.entry_point, row.target_id) == (
        "set_thumbnail",
        creator.username,
        "api",
        stream.pk,
    )
    assert (row.before, row.after) == ({"thumbnail": ""}, {"thumbnail": stream.thumbnail})


def test_a_changed_picture_changes_the_entity_tag(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    client: Any = api(creator)
    tag = client.get(stream_url(stream)).headers["ETag"]

    data_of(put(client, stream, picture()))

    assert client.get(stream_url(stream), HTTP_IF_NONE_MATCH=tag).status_code == 200
    refused = client.delete(stream_url(stream, "thumbnail"), HTTP_IF_MATCH=tag)
    assert_refused(refused, 412, "precondition_failed")


# --- refusals, after which everything is as it was ----------------------------------------------------


def assert_unchanged(stream: LiveStream) -> None:
    assert LiveStream.all_objects.get(pk=stream.pk).thumbnail == stream.thumbnail
    assert stored() == ({stream.thumbnail} if stream.thumbnail else set())


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({}, "thumbnail: is required"),
        ({"thumbnail": "text"}, "thumbnail: must be a file, sent as multipart/form-data"),
        ({"thumbnial": "text"}, "thumbnial: unknown; did you mean thumbnail?"),
    ],
)
def test_what_is_no_picture_is_refused(sent: dict[str, str], reason: str, api: Api, creator: User) -> None:
    stream = make_stream(creator)

    response = api(creator).put(stream_url(stream, "thumbnail"), sent, format="multipart")

    assert_refused(response, 400, "validation_failed")
    assert reason in response.json()["errors"]
    assert_unchanged(stream)


@pytest.mark.parametrize(
    "content", [b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\nbroken"]
)
def test_a_file_of_another_kind_is_refused_and_the_picture_stays(content: bytes, api: Api, creator: User) -> None:
    stream = make_stream(creator)
    put(api(creator), stream, picture())
    stream.refresh_from_db()
    file = io.BytesIO(content)
    file.name = "picture.png"

    response = put(api(creator), stream, file)

    assert_refused(response, 400, "validation_failed")
    assert response.json()["errors"][1].startswith("thumbnail: ")
    assert_unchanged(stream)


def test_a_body_in_json_is_refused(api: Api, creator: User) -> None:
    stream = make_stream(creator)

    response = api(creator).put(stream_url(stream, "thumbnail"), {"thumbnail": "x"})

    reason = "thumbnail: must be a file, sent as multipart/form-data"
    assert_refused(response, 400, "validation_failed", reason)


def test_only_the_creator_may_change_the_picture(api: Api, creator: User, guest: User, stranger: User) -> None:
    stream = make_stream(creator, guest=guest, answer="accepted")

    for caller in (guest, stranger):
        assert_refused(put(api(caller), stream, picture()), 403, "not_the_creator")
        assert_refused(api(caller).delete(stream_url(stream, "thumbnail")), 403, "not_the_creator")
    assert_refused(put(api(), stream, picture()), 401, "authentication_required")
    assert_unchanged(stream)


def test_a_deleted_stream_is_not_found_and_no_file_is_left(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    services.delete_stream(stream.pk, by=creator, now=timezone.now())

    assert_refused(put(api(creator), stream, picture()), 404, "stream_not_found")
    assert_refused(api(creator).delete(stream_url(stream, "thumbnail")), 404, "stream_not_found")
    assert_unchanged(stream)


# --- removing -------------------------------------------------------------------------------------


def test_removing_shows_the_default_picture_and_deletes_the_file(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    put(api(creator), stream, picture())

    data = data_of(api(creator).delete(stream_url(stream, "thumbnail")))

    assert data["thumbnailUrl"].endswith(DEFAULT)
    row = AuditEntry.objects.latest("pk")
    assert (row.action, row.after) == ("remove_thumbnail", {"thumbnail": ""})
    work()
    assert stored() == set()


def test_removing_the_default_picture_changes_nothing(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    known = data_of(api(creator).get(stream_url(stream)))

    assert data_of(api(creator).delete(stream_url(stream, "thumbnail"))) == known
    assert not AuditEntry.objects.filter(target_id=stream.pk, action__contains="thumbnail").exists()
    assert not ProcrastinateJob.objects.filter(task_name__contains="thumbnail").exists()


# --- together with other changes ----------------------------------------------------------------------


def test_a_picture_that_is_still_to_be_renamed_is_deleted_too(creator: User) -> None:
    """Deleting a stream renames its picture later. Restored at once, it gets another one before that."""
    now = timezone.now()
    old, new = (default_storage.save(f"thumbnails/{name}.webp", ContentFile(b"picture")) for name in ("old", "new"))
    stream = make_stream(creator, thumbnail=old)
    services.delete_stream(stream.pk, by=creator, now=now)
    services.restore_own_stream(stream.pk, by=creator, now=now)

    services.set_thumbnail(stream.pk, by=creator, now=now, file=new)
    jobs = ProcrastinateJob.objects.filter(task_name__contains="thumbnail")
    assert len(set(jobs.values_list("lock", flat=True))) == 1, "one after the other"
    work()

    assert stored() == {new}


@pytest.mark.django_db(transaction=True)
def test_of_pictures_set_at_once_one_stays(creator: User) -> None:
    stream = make_stream(creator)
    files = [default_storage.save(f"thumbnails/{number}.webp", ContentFile(b"picture")) for number in range(6)]

    at_once(6, lambda number: services.set_thumbnail(stream.pk, by=creator, now=timezone.now(), file=files[number]))

    stream.refresh_from_db()
    work()
    assert stored() == {stream.thumbnail}
    assert AuditEntry.objects.filter(action="set_thumbnail").count() == 6


def test_an_idempotency_key_sets_a_picture_once(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    client: Any = api(creator)  # its stubs do not accept bytes
    first, second = (
        client.generic("PUT", stream_url(stream, "thumbnail"), PICTURE_FORM, CONTENT_TYPE, HTTP_IDEMPOTENCY_KEY="one")
        for _ in range(2)
    )

    assert first.status_code == 200
    assert (second.content, second.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert len(stored()) == 1
