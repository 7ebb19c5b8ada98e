"""Whether pictures can be stored, read and removed, and are served under MEDIA_URL: `doctor` reports what is wrong."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from secrets import token_hex
from typing import NamedTuple
from urllib.parse import urljoin

from django.conf import settings
from django.core.files.base import ContentFile

from common.error_texts import first_line
from common.storage import storage
from common.storage.files import TEMPORARY
from common.storage.local import LocalStorage

ANSWER_SECONDS = 5
MOST_READ = 65_536  # bytes
WRITABLE_FOLDER = "Let the service's user write to the folder media in KUMANDA_DATA, or name another KUMANDA_DATA."
WRITABLE_BUCKET = (
    "Correct MEDIA_STORAGE_…, and let the account list the bucket (s3:ListBucket) and read, write and delete its "
    "objects (s3:GetObject, s3:PutObject, s3:DeleteObject)."
)


class Problem(NamedTuple):
    code: str
    severity: str  # of common.doctor
    meaning: str
    remedy: str


def problems() -> Iterator[Problem]:
    """Stores a small file, reads it, fetches it from MEDIA_URL, and removes it."""
    is_folder = isinstance(storage(), LocalStorage)
    remedy = WRITABLE_FOLDER if is_folder else WRITABLE_BUCKET
    # In a bucket its name has no leading dot, because the server of MEDIA_URL may hide such files.
    name = f"{TEMPORARY}doctor-{token_hex(8)}" if is_folder else f"doctor-{token_hex(8)}"
    content = b"can it be read? " + token_hex(8).encode()
    step = "stored"
    try:
        storage().save(name, ContentFile(content))
        step = "read"
        if storage().read(name) != content:
            yield Problem("storage_unwritable", "error", "A file was not read as it was stored.", remedy)
        if not is_folder:
            yield from _served(name, content)
        step = "removed"
        storage().delete(name)
        if storage().exists(name):
            yield Problem("storage_unwritable", "error", "A file that was removed is still there.", remedy)
    except Exception as problem:  # whatever a library raises, it is a finding
        cause = first_line(problem.__cause__ or problem)
        yield Problem("storage_unwritable", "error", f"Pictures cannot be {step}: {cause}", remedy)


def _served(name: str, content: bytes) -> Iterator[Problem]:
    url = urljoin(settings.MEDIA_URL, name)
    try:
        found = _fetched(url)
        what = "another content" if found != content else ""
    except (OSError, ValueError) as problem:
        what = first_line(problem)
    if what:
        yield Problem(
            "media_url_unfit",
            "warning",
            f"A stored file is not found below MEDIA_URL ({settings.MEDIA_URL}): {what}. Clients see no pictures.",
            "Let MEDIA_URL lead to MEDIA_STORAGE_PREFIX in the bucket, and let everybody read its objects, not list "
            "them. If only this machine cannot reach it, that is no fault.",
        )
        return
    try:
        listing = _fetched(settings.MEDIA_URL)
    except (OSError, ValueError):
        return
    if name.encode() in listing or b"<ListBucketResult" in listing:
        yield Problem(
            "media_listed",
            "error",
            f"{settings.MEDIA_URL} lists the files, so that everybody finds the pictures of what was deleted.",
            "Let everybody read the bucket's objects (s3:GetObject), and only the service list them (s3:ListBucket).",
        )


def _fetched(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Cache-Control": "no-cache"})  # noqa: S310 - of our settings
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
        content: bytes = answer.read(MOST_READ)
        return content
