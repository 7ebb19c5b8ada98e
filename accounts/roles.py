"""What a role is: `settings.ROLES` has them by their names for the command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """A group of permissions. Those who hold it enter the admin if `is_staff`, and get tokens if `has_tokens`."""

    group: str
    is_staff: bool = True
    has_tokens: bool = False
