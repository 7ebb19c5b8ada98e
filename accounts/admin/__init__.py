"""Users in the admin: the list and the pages of people, their notes and sessions; and the login of staff."""

from accounts import preferences_page  # noqa: F401 - registers its page
from accounts.admin import card, finder, logins, notes, tabs  # noqa: F401 - each registers what it adds
from accounts.admin.people import UserAdmin

__all__ = ["UserAdmin"]
