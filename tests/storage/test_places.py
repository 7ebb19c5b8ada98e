"""Machines that store pictures in different places, and what `doctor` says of them and of the storage."""

import os
import socket
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from common.models import StoragePlace
from common.storage import presence, probing
from common.storage.doctor import examine
from common.storage.local import LocalStorage
from config.media import Bucket, storages
from tests.patience import wait_until
from tests.s3 import TestBucket
from tests.servers import running_server

THERE = "app-2.example.com"


def codes() -> set[str]:
    return {finding.code for finding in examine()}


def note_elsewhere(folder: Path) -> None:
    """As a process of another machine, with that folder."""
    with override_settings(MEDIA_ROOT=folder):
        presence.note(THERE)


def test_one_machine_is_no_finding(db: None) -> None:
    presence.note()
    presence.note()

    assert codes() == set()
    assert StoragePlace.objects.count() == 1


def test_two_machines_with_folders_of_their_own_are_an_error(db: None, tmp_path: Path) -> None:
    presence.note()
    note_elsewhere(tmp_path)

    (finding,) = examine()
    assert (finding.code, finding.severity) == ("pictures_in_several_folders", "error")
    assert THERE in finding.meaning
    assert socket.gethostname() in finding.meaning


def test_the_copy_of_a_folder_is_a_folder_of_its_own(db: None, tmp_path: Path, settings: Any) -> None:
    """Also its marks were copied, with their times."""
    presence.note()
    folder = Path(settings.MEDIA_ROOT)
    old = time.time() - presence.FRESH_FOR.total_seconds() - 60
    presence._mark(folder, THERE).touch()
    os.utime(presence._mark(folder, THERE), (old, old))
    note_elsewhere(tmp_path)

    assert codes() == {"pictures_in_several_folders"}


def test_two_machines_that_share_a_folder_are_no_finding(db: None, settings: Any) -> None:
    presence.note()
    note_elsewhere(Path(settings.MEDIA_ROOT))

    assert codes() == set()


def test_a_machine_that_was_not_seen_for_a_while_is_no_finding(db: None, tmp_path: Path) -> None:
    note_elsewhere(tmp_path)
    StoragePlace.objects.update(seen_at=timezone.now() - presence.FRESH_FOR - timedelta(seconds=1))

    assert codes() == set()


def test_old_marks_and_rows_are_removed(db: None, settings: Any) -> None:
    note_elsewhere(Path(settings.MEDIA_ROOT))
    old = time.time() - presence.FORGOTTEN_AFTER.total_seconds() - 60
    os.utime(presence._mark(Path(settings.MEDIA_ROOT), THERE), (old, old))
    StoragePlace.objects.update(seen_at=timezone.now() - presence.FORGOTTEN_AFTER - timedelta(minutes=1))

    presence.note()

    assert [row.host for row in StoragePlace.objects.all()] == [socket.gethostname()]
    assert len(list(Path(settings.MEDIA_ROOT).glob(f"{presence.MARK}*"))) == 1


@pytest.mark.slow
def test_a_folder_here_and_a_bucket_there_are_an_error(db: None, bucket: TestBucket, settings: Any) -> None:
    presence.note(THERE)
    assert codes() == set(), "all use one bucket"
    settings.STORAGES = storages("local", Bucket(), media_url="/media/", is_media_url_set=False)

    (finding,) = examine()
    assert finding.code == "storages_differ"
    assert "Here: a folder" in finding.meaning
    assert f"{THERE}: the bucket {bucket.name}" in finding.meaning


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_server_notes_where_it_stores_pictures(tmp_path: Path) -> None:
    with running_server(workers=1, KUMANDA_DATA=str(tmp_path)):
        wait_until(StoragePlace.objects.exists)
        assert codes() == set(), "its own machine"
        StoragePlace.objects.update(host=THERE)
        assert codes() == {"pictures_in_several_folders"}
    assert [path.name for path in (tmp_path / "media").iterdir()] == [f"{presence.MARK}{socket.gethostname()}"]


# --- whether it works -----------------------------------------------------------------------------------


def problems() -> set[str]:
    return {problem.code for problem in probing.problems()}


@pytest.mark.slow
def test_a_bucket_that_everybody_may_read_and_list_is_an_error(bucket: TestBucket, settings: Any) -> None:
    """Here MEDIA_URL is the folder of the bucket, which has no listing; at its root it has."""
    assert problems() == set()
    settings.MEDIA_URL = f"http://127.0.0.1:{bucket.server.port}/{bucket.name}/"
    settings.STORAGES["default"]["OPTIONS"]["location"] = ""
    settings.STORAGES = dict(settings.STORAGES)

    assert problems() == {"media_listed"}
    assert bucket.objects() == {}


@pytest.mark.slow
def test_a_media_url_that_leads_elsewhere_is_a_warning(bucket: TestBucket, settings: Any) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>a page</html>")

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever).start()
        settings.MEDIA_URL = f"http://127.0.0.1:{server.server_port}/"
        assert problems() == {"media_url_unfit"}
        server.shutdown()
    settings.MEDIA_URL = "http://127.0.0.1:9/"
    assert problems() == {"media_url_unfit"}
    assert bucket.objects() == {}


@pytest.mark.slow
def test_a_bucket_that_refuses_the_key_is_an_error(bucket: TestBucket) -> None:
    bucket.server.check_keys(really=True)
    try:
        (problem,) = probing.problems()
    finally:
        bucket.server.check_keys(really=False)

    assert (problem.code, problem.severity) == ("storage_unwritable", "error")
    assert problem.meaning.startswith("Pictures cannot be stored: An error occurred (InvalidAccessKeyId)")
    assert "s3:ListBucket" in problem.remedy


def test_a_folder_that_cannot_be_read_is_an_error(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStorage, "read", lambda *_: b"another content")
    assert problems() == {"storage_unwritable"}
