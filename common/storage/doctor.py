"""The doctor's check whether all machines store pictures in the same place, named in `settings.DOCTOR_CHECKS`."""

import socket
from collections.abc import Iterator

from common.doctor import Finding, error
from common.storage import presence, storage


def examine() -> Iterator[Finding]:
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
