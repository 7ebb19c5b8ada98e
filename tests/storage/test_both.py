"""What a folder and a bucket do alike."""

import pytest

from common.storage import StorageUnavailable, storage
from tests.s3 import TestBucket
from tests.storage.conftest import save


def names() -> set[str]:
    return {file.name for file in storage().walk(["photos/", "thumbnails/"])}


def test_what_is_stored_is_read_and_listed(kind: str, settings: object) -> None:
    assert save("photos/a.webp", b"one") == "photos/a.webp"

    assert storage().read("photos/a.webp") == b"one"
    assert storage().exists("photos/a.webp")
    assert not storage().exists("photos/b.webp")
    assert names() == {"photos/a.webp"}


def test_a_file_is_replaced(kind: str) -> None:
    save("photos/a.webp", b"one")
    storage().delete("photos/a.webp")
    save("photos/a.webp", b"two")

    assert storage().read("photos/a.webp") == b"two"


def test_a_missing_file_is_reported(kind: str) -> None:
    with pytest.raises(FileNotFoundError):
        storage().read("photos/a.webp")
    storage().delete("photos/a.webp")  # as often as one likes


def test_a_moved_file_has_its_new_name_only(kind: str) -> None:
    save("thumbnails/old.webp", b"one")

    storage().move("thumbnails/old.webp", "thumbnails/new.webp")
    storage().move("thumbnails/old.webp", "thumbnails/new.webp")  # again, after it was done

    assert names() == {"thumbnails/new.webp"}
    assert storage().read("thumbnails/new.webp") == b"one"


def test_moving_replaces_what_an_interrupted_run_left(kind: str) -> None:
    save("thumbnails/old.webp", b"whole")
    save("thumbnails/new.webp", b"who")

    storage().move("thumbnails/old.webp", "thumbnails/new.webp")

    assert (names(), storage().read("thumbnails/new.webp")) == ({"thumbnails/new.webp"}, b"whole")


def test_a_file_that_is_nowhere_cannot_be_moved(kind: str) -> None:
    with pytest.raises(FileNotFoundError):
        storage().move("thumbnails/old.webp", "thumbnails/new.webp")


def test_only_the_folders_are_listed(kind: str) -> None:
    save("photos/deep/a.webp")
    save("elsewhere/b.webp")

    assert names() == {"photos/deep/a.webp"}


@pytest.mark.slow
def test_a_listing_of_several_pages_is_complete(bucket: TestBucket) -> None:
    wanted = {f"thumbnails/{number:04}.webp" for number in range(1_005)}
    for name in wanted:
        bucket.server.client.put_object(Bucket=bucket.name, Key=f"kumanda/media/{name}", Body=b"")

    assert names() == wanted


@pytest.mark.slow
def test_a_bucket_that_is_missing_is_no_missing_file(bucket: TestBucket) -> None:
    bucket.server.client.delete_bucket(Bucket=bucket.name)

    for call in (lambda: save("photos/a.webp"), names, lambda: storage().move("photos/a.webp", "photos/b.webp")):
        with pytest.raises(StorageUnavailable):
            call()
