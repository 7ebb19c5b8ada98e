"""The JSON that tests of several endpoints expect."""

from typing import Any

from accounts.models import User


def summary_of(user: User) -> dict[str, Any]:
    """A user without a photo, as in lists and logins."""
    return {
        "_id": user.pk,
        "username": user.username,
        "name": user.name,
        "surname": user.surname,
        "profilePhoto": None,
        "availabilityStatus": "offline",
    }
