"""Profile photos."""

from collections.abc import Mapping
from datetime import datetime
from secrets import token_urlsafe
from typing import IO, Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from accounts.models import PHOTO_SIZES, Media, User
from accounts.services.sessions import UserMissing
from common import audit, pictures


def set_profile_photo(user: User, picture: IO[bytes], *, by: User | None, now: datetime) -> User:
    """Replace the profile photo. Raises what `pictures.reencoded` does, on `profilePhoto`."""
    full, squares = pictures.with_squares(picture, PHOTO_SIZES, field="profilePhoto", max_side=1024)
    return set_own_photo(user, full, squares, by=by, now=now)


def set_own_photo(user: User, full: bytes, squares: Mapping[int, bytes], *, by: User | None, now: datetime) -> User:
    """Replace the profile photo by WebP files of our own making; `squares` has one for each of `PHOTO_SIZES`."""
    stored = _stored_photo(full, squares)
    try:
        with transaction.atomic():
            user = User.objects.locked(user.pk, otherwise=UserMissing)
            old = user.profile_photo
            user.profile_photo = Media.objects.create(
                file=stored["full"],
                variants={str(size): stored[str(size)] for size in PHOTO_SIZES},
                created_at=now,
                updated_at=now,
            )
            user.updated_at = now
            user.save(update_fields=["profile_photo", "updated_at"])
            audit.record(
                "set_profile_photo",
                user,
                by=by,
                now=now,
                before={"profile_photo": old and old.pk},
                after={"profile_photo": user.profile_photo.pk},
            )
            if old is not None:
                old.delete()
                transaction.on_commit(lambda: _forget_files([old.file, *old.variants.values()]), robust=True)
    except BaseException:
        _forget_files(stored.values())
        raise
    return user


def _stored_photo(full: bytes, squares: Mapping[int, bytes]) -> dict[str, str]:
    """Store the photo and its squares under random names that cannot be guessed."""
    name = f"photos/{token_urlsafe(16)}"
    files = {"full": full} | {str(size): square for size, square in squares.items()}
    return {key: default_storage.save(f"{name}-{key}.webp", ContentFile(content)) for key, content in files.items()}


def _forget_files(files: Any) -> None:
    for file in files:
        default_storage.delete(file)
