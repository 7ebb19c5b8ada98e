"""One database transaction and one set of objects for all cells of a module."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from tests.api.matrix import world
from tests.api.matrix.world import World
from tests.databases import rolled_back


@contextmanager
def in_a_transaction(blocker: Any, media: Path) -> Iterator[None]:
    """Access to the database without the fixture `db`, whose transaction ends with each test."""
    place = override_settings(MEDIA_ROOT=media, NOTIFICATION_CHANNELS=dict(settings.KNOWN_CHANNELS))
    with place, rolled_back(blocker):
        yield


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_a_transaction(django_db_blocker, tmp_path_factory.mktemp("media")):
        yield world.build()
