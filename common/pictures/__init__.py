"""Uploaded pictures: checked by their content, limited in size, and re-encoded, which removes all metadata.

Size and structure are read first, without decoding (`headers.py`). Decoding happens in a process of its own with limits
on CPU and memory (`program.py`). The number of such processes is limited (`process.py`).
"""

from collections.abc import Sequence
from typing import IO

from django.utils.translation import gettext_lazy as _

from common.pictures.headers import LARGEST_PIXELS, LONGEST_SIDE, Unfit, checked_header
from common.pictures.process import PictureSlotsFull, decoded
from common.refusals import Invalid

__all__ = ["LARGEST_BYTES", "LARGEST_PIXELS", "LONGEST_SIDE", "PictureSlotsFull", "reencoded", "with_squares"]

LARGEST_BYTES = 5 * 1_048_576


def reencoded(picture: IO[bytes], *, field: str, largest_bytes: int = LARGEST_BYTES, max_side: int = 1920) -> bytes:
    """The picture as WebP, upright, without metadata, shrunk until no side is longer than `max_side` pixels.

    Raises `Invalid` on `field` when it is no JPEG, PNG or WebP, is damaged, is larger than `largest_bytes` or
    the limits of `headers.py`, or takes too much CPU or memory; `PictureSlotsFull` when too many come at once.
    """
    full, _squares = with_squares(picture, (), field=field, largest_bytes=largest_bytes, max_side=max_side)
    return full


def with_squares(
    picture: IO[bytes],
    sizes: Sequence[int],
    *,
    field: str,
    largest_bytes: int = LARGEST_BYTES,
    max_side: int = 1920,
) -> tuple[bytes, dict[int, bytes]]:
    """The result of `reencoded`, and its centre as WebP squares of these sizes in pixels. Raises as `reencoded`."""
    content = picture.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise Invalid(field, _("must be at most %(limit)d bytes") % {"limit": largest_bytes})
    try:
        full, *squares = decoded(content, checked_header(content), max_side=max_side, squares=sizes)
    except Unfit as error:
        raise Invalid(field, error.rule) from error
    return full, dict(zip(sizes, squares, strict=True))
