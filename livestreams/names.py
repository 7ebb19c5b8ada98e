"""Channel names, derived from titles."""

import re
import secrets
import string

from common.texts import folded

SUFFIX_ALPHABET = string.ascii_lowercase + string.digits
LONGEST_SLUG = 140
CHANNEL_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


def new_channel_name(title: str) -> str:
    """The title folded to ASCII as a slug, `-`, and four random characters."""
    slug = re.sub(r"[^a-z0-9]+", "-", folded(title)).strip("-")[:LONGEST_SLUG].rstrip("-") or "stream"
    return f"{slug}-{''.join(secrets.choice(SUFFIX_ALPHABET) for _ in range(4))}"
