"""Scenarios of operations that take a picture: it cannot be decoded now, or cannot be stored."""

import errno
from typing import Any, NoReturn

import pytest

from common.pictures import process
from common.storage.local import LocalStorage
from tests.api.operations import PICTURE_FORM, Operation, World
from tests.hostile_forms import CONTENT_TYPE, form_with
from tests.hostile_pictures import small_png


def while_others_decode_pictures(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(process, "slots", process.Slots(0))
    return _with_picture(world, operation)


def while_the_disk_is_full(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    """As if it were; tests/storage has a full file system."""
    return _while_writing_fails(world, operation, patch, OSError(errno.ENOSPC, "no space left on device"))


def while_the_folder_cannot_be_written(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    return _while_writing_fails(world, operation, patch, PermissionError(errno.EACCES, "permission denied"))


def _while_writing_fails(world: World, operation: Operation, patch: pytest.MonkeyPatch, error: OSError) -> Any:
    def fail(*_: Any) -> NoReturn:
        raise error

    patch.setattr(LocalStorage, "_write", fail)
    return _with_picture(world, operation)


def _with_picture(world: World, operation: Operation) -> Any:
    raw = PICTURE_FORM if operation.takes_form else form_with(small_png())
    return world.call(operation, raw=raw, content_type=CONTENT_TYPE)
