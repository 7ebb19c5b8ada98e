"""The picture of a stream: checked, made again from its pixels, and stored under a name of our own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from common.fields import new_object_id
from common.pictures import reencoded

LONGEST_SIDE = 1280  # pixels


@contextmanager
def stored_thumbnail(picture: IO[bytes] | None) -> Iterator[str]:
    """The name of the stored file ("" without a picture); it is removed again when the block fails.

    Raises what `reencoded` does, on `thumbnail`.
    """
    if picture is None:
        yield ""
        return
    content = reencoded(picture, field="thumbnail", max_side=LONGEST_SIDE)
    name = default_storage.save(f"thumbnails/{new_object_id()}.webp", ContentFile(content))
    try:
        yield name
    except BaseException:
        default_storage.delete(name)
        raise
