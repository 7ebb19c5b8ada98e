"""The files of profile photos, for `media check`."""

from collections.abc import Iterator

from accounts.models import Media
from accounts.services.photos import FOLDER
from common.storage.sources import NamedFile, Source, pages_of


def sources() -> Iterator[Source]:
    yield Source(FOLDER, _named)


def _named() -> Iterator[NamedFile]:
    for key, file, variants, updated_at in pages_of(Media.objects.all(), "file", "variants", "updated_at"):
        for name in (file, *variants.values()):
            yield NamedFile(name, "media", key, updated_at.timestamp())
