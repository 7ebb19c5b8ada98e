"""The doctor's check for public demo passwords, named in `settings.DOCTOR_CHECKS`."""

from collections.abc import Iterator

from django.conf import settings

from common.doctor import Finding, error, is_local, warning
from config.demo import is_embedded, open_accounts

CLOSE = "python manage.py seed_demo --close"


def examine() -> Iterator[Finding]:
    """Report accounts that have the public password of the demo."""
    opened = open_accounts()
    if not opened:
        return
    # Only a warning for a demo on the developer's machine: that is what these passwords are for.
    is_own_machine = is_embedded() and is_local(settings.PUBLIC_URL)
    find = warning if is_own_machine else error
    names = ", ".join(user.username + (" (superuser)" if user.is_superuser else "") for user in opened)
    yield find(
        "demo_password_works",
        f"These accounts have a public password, which is in the documentation of the demo: {names}.",
        f"If others can reach this service, close them with: {CLOSE}. It gives them random passwords and ends their "
        "sessions.",
    )
