"""Names made of titles, with Turkish letters folded to ASCII."""

import re
import secrets
import string
import unicodedata

DOTLESS = str.maketrans({"ı": "i"})  # the one Turkish letter that NFKD does not take apart
SUFFIX_ALPHABET = string.ascii_lowercase + string.digits
LONGEST_SLUG = 140
LONGEST_FOLDED = 280


def folded(text: str) -> str:
    """`text` as it is searched: small letters without marks, so that "isik" finds "IŞIK", "ışık" and "Işık"."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(DOTLESS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))[:LONGEST_FOLDED]


def new_channel_name(title: str) -> str:
    """The title as a slug, `-`, and four random characters."""
    slug = re.sub(r"[^a-z0-9]+", "-", folded(title)).strip("-")[:LONGEST_SLUG].rstrip("-") or "stream"
    return f"{slug}-{''.join(secrets.choice(SUFFIX_ALPHABET) for _ in range(4))}"
