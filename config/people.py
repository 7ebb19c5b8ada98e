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
# What is stored about a person: the order in which it is exported and erased.
PERSONAL_DATA = [
    "reminders.personal_data.declarations",
    "bans.personal_data.declarations",
    "edges.personal_data.declarations",
    "livestreams.personal_data.declarations",
    "config.personal_data.declarations",
    "common.own_personal_data.declarations",
    "accounts.personal_data.declarations",
]
