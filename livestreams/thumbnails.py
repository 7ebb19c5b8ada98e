"""The thumbnail of a stream: checked, re-encoded, and stored under a random name."""

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import IO

from procrastinate.contrib.django import app

from common.jobs import SLOW_QUEUE
from common.pictures import reencoded
from common.storage import stored

LONGEST_SIDE = 1280  # pixels
FOLDER = "thumbnails/"


def new_name() -> str:
    """128 random bits, so that the address of a file cannot be guessed."""
    return f"{FOLDER}{token_hex(16)}.webp"


@contextmanager
def stored_thumbnail(picture: IO[bytes] | None) -> Iterator[str]:
    """Store the picture and yield its file name, "" without a picture. The file is deleted when the block raises.

    Raises the errors of `reencoded` for the field `thumbnail`, and those of `stored`.
    """
    if picture is None:
        yield ""
        return
    content = reencoded(picture, field="thumbnail", max_side=LONGEST_SIDE)
    name = new_name()
    with stored({name: content}):
        yield name


def renamed_later(name: str, *, stream_id: str) -> str:
    """Defer a job that renames the file after this transaction has committed; returns the new name."""
    new = new_name()
    _defer("rename_thumbnail", stream_id, old=name, new=new)
    return new


def removed_later(name: str, *, stream_id: str) -> None:
    """Defer a job that deletes the file after this transaction has committed.

    It runs after earlier jobs of the stream, so a file that is still to be renamed has its name by then.
    """
    _defer("remove_thumbnail", stream_id, name=name)


def _defer(task: str, stream_id: str, **arguments: str) -> None:
    # Procrastinate runs jobs with the same lock one after the other, in the order in which they were inserted.
    configured = app.configure_task(f"livestreams.tasks.{task}", queue=SLOW_QUEUE, lock=f"thumbnail-{stream_id}")
    configured.defer(**arguments)
