"""The JSON that tests of several endpoints expect."""

from typing import Any

from accounts.models import User


def summary_of(user: User) -> dict[str, Any]:
    """The user of the fixture `creator`, as in lists and logins."""
    return {
        "_id": user.pk,
        "username": "creator",
        "name": "Ayşe",
        "surname": "Yılmaz",
        "profilePhoto": None,
        "availabilityStatus": "offline",
    }
