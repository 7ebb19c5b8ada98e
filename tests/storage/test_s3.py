"""Pictures in a bucket: uploads, replacing, deleting and purging, and a server that fails, hangs or is full."""

import logging
import time
from datetime import timedelta
from typing import Any

import pytest
from botocore.config import Config
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from common.models import AuditEntry
from common.storage import STORED_AT_ONCE, WAIT_SECONDS, StorageFull, StorageUnavailable, s3, storage, stored
from common.tasks import remove_files
from config.media import ANSWER_SECONDS
from livestreams import services
from livestreams.models import LiveStream
from tests.accounts.test_profile_photo import picture as photo
from tests.admin.pages import action_url
from tests.commands.test_purge import run_purge
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.livestreams.test_thumbnail import picture, put, work
from tests.races import at_once
from tests.s3 import KEY, SECRET, TestBucket, running_object_server
from tests.storage.conftest import save
from tests.streams import STREAMS, make_stream, stream_url

pytestmark = pytest.mark.slow

UNAVAILABLE = "pictures cannot be stored at the moment; try again shortly"
NOT_ENOUGH = b"""HTTP/1.1 507 Insufficient Storage\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n\
<?xml version="1.0"?><Error><Code>InsufficientStorage</Code><Message>full</Message></Error>"""
SLOW_DOWN = b"""HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n\
<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>slow down</Message></Error>"""
CONTINUE_SECONDS = 1.0  # that botocore waits for `100 Continue`
OVER_QUOTA = b"""HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n\
<?xml version="1.0"?><Error><Code>QuotaExceeded</Code><Message>quota</Message></Error>"""


def uploaded(client: Any, stream: LiveStream) -> str:
    """Upload a picture; returns the name of the file."""
    url: str = data_of(put(client, stream, picture()))["thumbnailUrl"]
    return url.removeprefix(django_settings.MEDIA_URL)


def keys(bucket: TestBucket) -> set[str]:
    return {key.removeprefix("kumanda/media/") for key in bucket.objects()}


# --- what works as in a folder ------------------------------------------------------------------------


def test_an_uploaded_picture_is_served_by_the_bucket(bucket: TestBucket, api: Api, creator: User) -> None:
    stream = make_stream(creator)

    name = uploaded(api(creator), stream)

    stream.refresh_from_db()
    assert (stream.thumbnail, keys(bucket)) == (name, {name})
    status, content = bucket.fetched(name)
    assert (status, content[8:12]) == (200, b"WEBP")
    described = bucket.server.client.head_object(Bucket=bucket.name, Key=f"kumanda/media/{name}")
    assert (described["ContentType"], described["CacheControl"]) == ("image/webp", "public, max-age=86400")


def test_a_stream_is_created_with_a_picture(bucket: TestBucket, api: Api, creator: User) -> None:
    sent = {"title": "Talk", "thumbnail": picture()}

    data = data_of(api(creator).post(f"{STREAMS}/create", sent, format="multipart"), 201)

    assert data["thumbnailUrl"].startswith(bucket.url)
    assert len(keys(bucket)) == 1


def test_a_replaced_and_a_removed_picture_are_gone(bucket: TestBucket, api: Api, creator: User) -> None:
    stream, client = make_stream(creator), api(creator)
    first = uploaded(client, stream)
    second = uploaded(client, stream)
    work()
    assert (keys(bucket), bucket.fetched(first)[0]) == ({second}, 404)

    data_of(client.delete(stream_url(stream, "thumbnail")))
    work()

    assert (keys(bucket), bucket.fetched(second)[0]) == (set(), 404)


def test_the_picture_of_a_deleted_stream_is_not_reachable(bucket: TestBucket, api: Api, creator: User) -> None:
    stream, client = make_stream(creator), api(creator)
    published = uploaded(client, stream)
    assert bucket.fetched(published)[0] == 200

    answer = client.delete(stream_url(stream))
    work()

    stream = LiveStream.all_objects.get(pk=stream.pk)
    assert bucket.fetched(published)[0] == 404
    assert keys(bucket) == {stream.thumbnail}
    assert stream.thumbnail not in answer.content.decode()
    services.restore_own_stream(stream.pk, by=creator, now=timezone.now())
    assert data_of(client.get(stream_url(stream)))["thumbnailUrl"] == bucket.url + stream.thumbnail
    assert bucket.fetched(stream.thumbnail)[0] == 200


def test_the_picture_is_removed_with_its_stream(bucket: TestBucket, api: Api, creator: User) -> None:
    stream = make_stream(creator)
    uploaded(api(creator), stream)
    long_ago = timezone.now() - django_settings.DELETED_RETENTION - timedelta(days=1)
    services.delete_stream(stream.pk, by=creator, now=long_ago)
    LiveStream.all_objects.filter(pk=stream.pk).update(deleted_at=long_ago)
    work()

    facts = run_purge()

    assert (facts["ids"], facts["files_left"], keys(bucket)) == ([stream.pk], [], set())


def test_a_photo_has_four_objects_and_the_one_before_is_removed_by_a_job(
    bucket: TestBucket, creator: User, now: Any
) -> None:
    first = accounts.set_profile_photo(creator, photo(), by=creator, now=now).profile_photo
    second = accounts.set_profile_photo(creator, photo(), by=creator, now=now).profile_photo
    assert first
    assert second
    assert len(keys(bucket)) == 8

    remove_files([first.file, *first.variants.values()])

    assert keys(bucket) == {second.file, *second.variants.values()}


def test_pages_of_the_admin_show_the_address_of_the_bucket(
    bucket: TestBucket, client: Any, api: Api, creator: User
) -> None:
    stream = make_stream(creator)
    name = uploaded(api(creator), stream)

    assert default_storage.url(name) == bucket.url + name


# --- what fails -----------------------------------------------------------------------------------------


@pytest.fixture
def impatient(bucket: TestBucket, settings: Any) -> TestBucket:
    """The same, which waits a second for an answer."""
    bucket.use(settings, answer_seconds="1")
    return bucket


def assert_nothing_happened(stream: LiveStream, rows: int) -> None:
    stream.refresh_from_db()
    assert (stream.thumbnail, AuditEntry.objects.count()) == ("", rows)


def test_a_server_that_hangs_is_asked_once(impatient: TestBucket, api: Api, creator: User) -> None:
    """So an upload waits for it once. The next test adds up how long."""
    stream, client = make_stream(creator), api(creator)
    rows, gate = AuditEntry.objects.count(), impatient.server.gate
    gate.mode, gate.puts = "hang", 0

    refused = put(client, stream, picture())

    assert_refused(refused, 503, "storage_unavailable", UNAVAILABLE)
    assert gate.puts == 1
    assert_nothing_happened(stream, rows)
    gate.mode = ""
    uploaded(client, stream)


def test_the_waits_of_an_upload_are_shorter_than_an_idle_transaction_may_be(bucket: TestBucket) -> None:
    save("photos/a.webp")
    used: Config = storage()._client.meta.config  # type: ignore[attr-defined]
    # An upload with an Idempotency-Key is stored inside a transaction.
    longest = (WAIT_SECONDS, s3.SOON_SECONDS, s3.PAUSE_SECONDS, CONTINUE_SECONDS, used.read_timeout)
    assert sum(longest) < django_settings.REQUEST_TIME_LIMITS["idle_in_transaction_session_timeout"]
    assert used.connect_timeout < used.read_timeout
    assert used.retries["total_max_attempts"] == 1


def test_a_server_that_is_slow_is_waited_for(bucket: TestBucket) -> None:
    """5 MB take longer than the wait for an answer, which begins when they are sent."""
    gate = bucket.server.gate
    gate.mode, gate.rate = "slow", 700_000
    began = time.monotonic()

    save("photos/a.webp", b"x" * 5_000_000)

    assert time.monotonic() - began > ANSWER_SECONDS
    gate.mode = ""
    assert len(storage().read("photos/a.webp")) == 5_000_000


def test_a_failure_that_may_pass_is_tried_once_more(bucket: TestBucket) -> None:
    gate = bucket.server.gate
    gate.answer, gate.puts = SLOW_DOWN, 0
    with pytest.raises(StorageUnavailable):
        save("photos/a.webp")
    assert gate.puts == 2

    gate.answer, gate.puts = NOT_ENOUGH, 0
    with pytest.raises(StorageFull):
        save("photos/a.webp")
    assert gate.puts == 1


def test_a_server_that_hangs_holds_a_few_threads_only(impatient: TestBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.storage.WAIT_SECONDS", 0.1)
    impatient.server.gate.mode = "hang"

    def seconds(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(StorageUnavailable), stored({f"photos/{number}.webp": b"one"}):
            pass
        return time.monotonic() - began

    waited = at_once(3 * STORED_AT_ONCE, seconds)

    assert sum(each > 0.5 for each in waited) == STORED_AT_ONCE


@pytest.mark.parametrize("most", [0, 20, 900])
def test_a_server_that_breaks_off_in_the_middle_stores_nothing(
    most: int, bucket: TestBucket, api: Api, creator: User
) -> None:
    stream, client = make_stream(creator), api(creator)
    rows = AuditEntry.objects.count()
    gate = bucket.server.gate
    gate.mode, gate.most = "cut", most

    assert_refused(put(client, stream, picture()), 503, "storage_unavailable", UNAVAILABLE)

    assert_nothing_happened(stream, rows)
    gate.mode = ""
    assert keys(bucket) == set()
    uploaded(client, stream)


def test_a_server_that_is_killed_is_reported_and_jobs_wait_for_it(api: Api, creator: User, settings: Any) -> None:
    with running_object_server() as own:
        own.new_bucket().use(settings)
        stream, client = make_stream(creator), api(creator)
        name = uploaded(client, stream)
        own.process.kill()
        own.process.wait()

        assert_refused(put(client, stream, picture()), 503, "storage_unavailable", UNAVAILABLE)
        data_of(client.delete(stream_url(stream)))  # the change needs no storage, its job does
        with pytest.raises(StorageUnavailable):
            work()

    assert LiveStream.all_objects.get(pk=stream.pk).thumbnail != name


def test_wrong_credentials_are_refused_and_no_log_has_the_secret(
    bucket: TestBucket, api: Api, creator: User, caplog: Any
) -> None:
    stream, client = make_stream(creator), api(creator)
    bucket.server.check_keys(really=True)
    try:
        with caplog.at_level(logging.DEBUG):
            refused = put(client, stream, picture())
    finally:
        bucket.server.check_keys(really=False)

    assert_refused(refused, 503, "storage_unavailable", UNAVAILABLE)
    assert keys(bucket) == set()
    assert SECRET not in caplog.text
    assert SECRET not in refused.content.decode()
    assert KEY not in refused.content.decode()


@pytest.mark.parametrize("answer", [NOT_ENOUGH, OVER_QUOTA])
def test_a_full_bucket_is_a_full_storage(answer: bytes, bucket: TestBucket, api: Api, creator: User) -> None:
    stream, client = make_stream(creator), api(creator)
    rows = AuditEntry.objects.count()
    bucket.server.gate.answer = answer

    refused = put(client, stream, picture())

    assert_refused(refused, 503, "storage_full", "there is no space for pictures at the moment; try again later")
    assert_nothing_happened(stream, rows)
    bucket.server.gate.answer = b""
    uploaded(client, stream)


def test_the_form_of_the_admin_shows_a_sentence(bucket: TestBucket, client: Any, creator: User) -> None:
    client.force_login(User.objects.create_superuser("boss", "boss"))
    bucket.server.gate.answer = NOT_ENOUGH

    page = client.post(action_url(creator, "set_profile_photo"), {"photo": photo()}, headers={"Accept-Language": "en"})

    assert "there is no space for pictures at the moment" in page.content.decode()


def test_a_job_that_fails_may_be_repeated(bucket: TestBucket, api: Api, creator: User) -> None:
    stream, client = make_stream(creator), api(creator)
    published = uploaded(client, stream)
    data_of(client.delete(stream_url(stream)))
    bucket.server.gate.answer = NOT_ENOUGH
    with pytest.raises(StorageFull):
        work()
    assert bucket.fetched(published)[0] == 200, "nothing is lost"
    bucket.server.gate.answer = b""

    work()

    assert (bucket.fetched(published)[0], len(keys(bucket))) == (404, 1)


def test_threads_share_one_client(bucket: TestBucket) -> None:
    at_once(8, lambda number: save(f"photos/{number}.webp"))
    clients = at_once(4, lambda _: storage()._client)  # type: ignore[attr-defined]

    assert len(keys(bucket)) == 8
    assert len({id(each) for each in clients}) == 1
