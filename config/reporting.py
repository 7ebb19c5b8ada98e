"""Check of the reasons for which streams can be reported, run when a process starts."""

import re
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

DEFAULT_REASONS = [
    "spam", "scam", "harassment", "hate", "violence", "self_harm", "sexual_content", "child_safety", "impersonation",
    "copyright", "other",
]  # fmt: skip
MOST_REASONS = 50
REASON = re.compile(r"[a-z][a-z0-9_]{0,29}", re.ASCII)


def check_reasons(reasons: Sequence[str]) -> None:
    """Raises ImproperlyConfigured."""
    are_keys = all(REASON.fullmatch(reason) for reason in reasons)
    if not (are_keys and 1 <= len(reasons) <= MOST_REASONS and len(set(reasons)) == len(reasons)):
        raise ImproperlyConfigured(
            f"REPORT_REASONS must be 1 to {MOST_REASONS} different keys of at most 30 characters, as spam,self_harm: "
            "lower-case letters, digits and underscores, beginning with a letter."
        )
