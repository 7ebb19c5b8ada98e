"""Profile photos."""

from collections.abc import Mapping
from datetime import datetime
from secrets import token_urlsafe
from typing import IO

from django.db import transaction

from accounts.models import PHOTO_SIZES, Media, User
from accounts.services.sessions import UserMissing
from common import audit, pictures
from common.storage import removed_later, stored

FOLDER = "photos/"


def set_profile_photo(user: User, picture: IO[bytes], *, by: User | None, now: datetime) -> User:
    """Replace the profile photo. Raises as `with_squares` for `profilePhoto`, and as `stored`."""
    full, squares = pictures.with_squares(picture, PHOTO_SIZES, field="profilePhoto", max_side=1024)
    return set_own_photo(user, full, squares, by=by, now=now)


def set_own_photo(user: User, full: bytes, squares: Mapping[int, bytes], *, by: User | None, now: datetime) -> User:
    """Replace the profile photo by WebP files of our own making; `squares` has one for each of `PHOTO_SIZES`.

    The files of the photo before are removed by a job.
    """
    name = f"{FOLDER}{token_urlsafe(16)}"  # it cannot be guessed
    variants = {str(size): f"{name}-{size}.webp" for size in PHOTO_SIZES}
    files = {f"{name}-full.webp": full} | {variants[str(size)]: squares[size] for size in PHOTO_SIZES}
    with stored(files), transaction.atomic():
        user = User.objects.locked(user.pk, otherwise=UserMissing)
        old = user.profile_photo
        user.profile_photo = Media.objects.create(
            file=f"{name}-full.webp", variants=variants, created_at=now, updated_at=now
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
            removed_later([old.file, *old.variants.values()])
    return user
