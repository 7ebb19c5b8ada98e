"""Roles that `manage.py people` grants."""

from accounts.roles import Role

# A role is the group that migrations make for it. The names on the left are for the command line.
ROLES = {
    "moderator": Role("Moderators"),
    "senior-moderator": Role("Senior moderators"),
    "ops": Role("Ops"),
    "service-account": Role("Service accounts", is_staff=False, has_tokens=True),
}
SERVICE_TOKEN_DAYS = 365
