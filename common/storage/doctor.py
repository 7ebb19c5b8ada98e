"""The doctor's checks of stored pictures, named in `settings.DOCTOR_CHECKS`."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from common.doctor import Finding, error, some
from common.storage import StorageUnavailable, presence, storage
from common.storage.local import LocalStorage
from common.storage.sources import NamedFile, Source, sources

# Rows of each kind whose file is looked for. A bucket needs a call for each.
LOOKED_AT = 1_000
LOOKED_AT_IN_A_BUCKET = 20


def examine() -> Iterator[Finding]:
    yield from _places()
    with suppress(StorageUnavailable):  # a finding of common/doctor.py
        yield from _missing()


def _missing() -> Iterator[Finding]:
    """Compares the first rows, which shows an empty or a wrong folder. `media check` compares all."""
    missing = [name for source in sources() for name in _missing_of(source)]
    if missing:
        yield error(
            "pictures_missing",
            f"Rows name pictures that are not stored in {storage().place}: {some(missing)}.",
            "Mount the folder, or correct MEDIA_STORAGE_… To list what is missing: python manage.py media check. Then"
            " copy it from a backup.",
        )


def _missing_of(source: Source) -> list[str]:
    missing = [row for row in _first(source) if not storage().exists(row.name)]
    if not missing:
        return []
    # Rows may have changed since they were read, and a job that renames may not have run.
    still = {row.name for row in _first(source)}
    before = source.names_before(missing)
    return [
        row.name for row in missing if row.name in still and not any(map(storage().exists, before.get(row.name, ())))
    ]


def _first(source: Source) -> Iterator[NamedFile]:
    return islice(source.named(), LOOKED_AT if isinstance(storage(), LocalStorage) else LOOKED_AT_IN_A_BUCKET)


def _places() -> Iterator[Finding]:
    rows = list(presence.others())
    own = storage().place
    if apart := [row.host for row in rows if row.place == own]:
        yield error(
            "pictures_in_several_folders",
            f"{', '.join(apart)} and {socket.gethostname()} each store pictures in a folder of their own, so that each "
            "lacks the pictures that were uploaded to the other.",
            "Let all machines use one bucket (MEDIA_STORAGE_KIND=s3), or mount one folder on all as media in "
            "KUMANDA_DATA. Then copy what is missing: python manage.py media copy",
        )
    if different := [row for row in rows if row.place != own]:
        places = "; ".join(f"{row.host}: {row.place}" for row in different)
        yield error(
            "storages_differ",
            f"Pictures are stored in different places. Here: {own}; {places}.",
            "Set MEDIA_STORAGE_… alike on all machines and restart serve and worker. A machine is forgotten "
            f"{presence.FRESH_FOR.seconds // 60} minutes after its processes ended.",
        )
