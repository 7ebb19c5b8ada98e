"""`doctor` finds each planted fault and only that, and nothing in a healthy installation."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from accounts.models import User
from livestreams import services as streams
from livestreams.models import LiveStream
from tests.doctor.faults import FAULTS
from tests.doctor.installation import PICTURE, Site, found, healthy
from tests.poolers import IS_CHOSEN


@pytest.fixture
def site(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, creator: User, viewer: User, now: datetime
) -> Iterator[Site]:
    with healthy(Site(settings, monkeypatch, tmp_path, creator, viewer, now, ExitStack())) as made:
        yield made


def test_a_healthy_installation_has_no_finding(site: Site) -> None:
    assert found() == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, site: Site) -> None:
    if IS_CHOSEN and fault == "the clocks differ":
        pytest.skip("Its clock is a setting of new sessions, and those of PgBouncer are older.")
    plant, code = FAULTS[fault]
    plant(site)
    assert found() == {code}


def test_a_picture_whose_renaming_waits_for_a_worker_is_not_missing(site: Site) -> None:
    (stream,) = LiveStream.objects.all()
    streams.delete_stream(stream.pk, by=site.creator, now=site.now)
    renamed = LiveStream.all_objects.get().thumbnail
    assert renamed != PICTURE
    assert not default_storage.exists(renamed)
    assert found() == set()
