"""Names made of titles, with Turkish letters folded to ASCII."""

import re
import secrets
import string
import unicodedata

from django.db import models
from django.db.models import Func

DOTLESS = str.maketrans({"ı": "i"})  # the one Turkish letter that NFKD does not take apart
SUFFIX_ALPHABET = string.ascii_lowercase + string.digits
LONGEST_SLUG = 140
LONGEST_FOLDED = 280


def folded(text: str) -> str:
    """`text` as it is searched: small letters without marks, so that "isik" finds "IŞIK", "ışık" and "Işık"."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(DOTLESS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))[:LONGEST_FOLDED]


class Folded(Func):
    """The same as `folded` of what the database holds, for the marks of letters that derive from Latin and Greek."""

    template = (
        r"LOWER(REGEXP_REPLACE(NORMALIZE(TRANSLATE(%(expressions)s, 'ı', 'i'), NFKD), '[\u0300-\u036F]', '', 'g'))"
    )
    output_field = models.TextField()


def new_channel_name(title: str) -> str:
    """The title as a slug, `-`, and four random characters."""
    slug = re.sub(r"[^a-z0-9]+", "-", folded(title)).strip("-")[:LONGEST_SLUG].rstrip("-") or "stream"
    return f"{slug}-{''.join(secrets.choice(SUFFIX_ALPHABET) for _ in range(4))}"
