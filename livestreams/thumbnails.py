"""The picture of a stream: checked, made again from its pixels, and stored under a random name."""

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from procrastinate.contrib.django import app

from common.jobs import SLOW_QUEUE
from common.pictures import reencoded

LONGEST_SIDE = 1280  # pixels


def new_name() -> str:
    """128 random bits: who was not told the address of a picture cannot find it."""
    return f"thumbnails/{token_hex(16)}.webp"


@contextmanager
def stored_thumbnail(picture: IO[bytes] | None) -> Iterator[str]:
    """The name of the stored file ("" without a picture); it is removed again when the block fails.

    Raises what `reencoded` does, on `thumbnail`.
    """
    if picture is None:
        yield ""
        return
    content = reencoded(picture, field="thumbnail", max_side=LONGEST_SIDE)
    name = default_storage.save(new_name(), ContentFile(content))
    try:
        yield name
    except BaseException:
        default_storage.delete(name)
        raise


def renamed_later(name: str, *, stream_id: str) -> str:
    """The new name that a worker gives to the file `name` once this transaction has committed."""
    new = new_name()
    # The lock makes two renamings of one picture happen one after the other, in the order of their transactions.
    task = app.configure_task("livestreams.tasks.rename_thumbnail", queue=SLOW_QUEUE, lock=f"thumbnail-{stream_id}")
    task.defer(old=name, new=new)
    return new


def rename(old: str, new: str) -> None:
    """Storages copy and delete, they do not rename. May be repeated, also after it was interrupted anywhere."""
    if not default_storage.exists(old):
        return
    default_storage.delete(new)  # what an interrupted copy left
    with default_storage.open(old) as content:
        default_storage.save(new, content)
    default_storage.delete(old)
