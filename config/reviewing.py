"""Settings of the review queue: how long a case stays with a moderator, and the reasons to choose from."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.environment import env

MOST_REASONS = 9  # one for each digit key, from 1
LONGEST_REASON = 200  # characters, so that there is room for more text after it
VERDICTS = ("upheld", "lifted", "changed")

type Reasons = dict[str, dict[str, list[str]]]

DEFAULT_REASONS: Reasons = {
    "upheld": {
        "en": [
            "The recording shows it.",
            "Insults or harassment.",
            "Hate speech.",
            "Spam or advertising.",
            "Threats or violence.",
            "Personal data of others.",
            "Banned before for the same.",
            "The appeal contains nothing new.",
        ],
        "tr": [
            "Kayıtta görülüyor.",
            "Hakaret veya taciz.",
            "Nefret söylemi.",
            "Spam veya reklam.",
            "Tehdit veya şiddet.",
            "Başkalarının kişisel verileri.",
            "Aynı nedenle daha önce de banlandı.",
            "İtirazda yeni bir şey yok.",
        ],
    },
    "lifted": {
        "en": [
            "No violation is visible.",
            "A misunderstanding.",
            "The wrong person was banned.",
            "First time, and not serious.",
            "The appeal is convincing.",
            "Banned long enough.",
        ],
        "tr": [
            "Görünür bir ihlal yok.",
            "Yanlış anlaşılma.",
            "Yanlış kişi banlandı.",
            "İlk kez, ciddi de değil.",
            "İtiraz inandırıcı.",
            "Ban yeterince sürdü.",
        ],
    },
    "changed": {
        "en": ["Justified, but too hard.", "First time.", "Justified, but too mild.", "Happened again."],
        "tr": ["Haklı ama fazla ağır.", "İlk kez.", "Haklı ama fazla hafif.", "Tekrarlandı."],
    },
}


def reasons_of(configured: Any) -> Reasons:
    """The reasons of all verdicts: those in the environment, and the default ones of verdicts that it does not name.

    Raises ImproperlyConfigured.
    """
    if not isinstance(configured, dict) or not all(
        verdict in VERDICTS
        and isinstance(by_language, dict)
        and by_language
        and all(map(_are_reasons, by_language.values()))
        for verdict, by_language in configured.items()
    ):
        raise ImproperlyConfigured(
            f"REVIEW_REASONS must be a JSON object by verdict ({', '.join(VERDICTS)}) and language, each with 1 to "
            f"{MOST_REASONS} texts of at most {LONGEST_REASON} characters."
        )
    return DEFAULT_REASONS | configured


def _are_reasons(texts: Any) -> bool:
    return (
        isinstance(texts, list)
        and 1 <= len(texts) <= MOST_REASONS
        and all(isinstance(text, str) and 0 < len(text.strip()) <= LONGEST_REASON for text in texts)
    )


REVIEW_REASONS = reasons_of(env.json("REVIEW_REASONS", default={}))
REVIEW_CLAIM = timedelta(seconds=env.int("REVIEW_CLAIM_SECONDS", default=120))
if not timedelta(seconds=10) <= REVIEW_CLAIM <= timedelta(hours=1):
    raise ImproperlyConfigured("REVIEW_CLAIM_SECONDS must be between 10 and 3600.")
# How long a ban is left to other moderators than the one who made it. 0: it is not.
REVIEW_OWN_BANS_AFTER = timedelta(minutes=env.int("REVIEW_OWN_BANS_AFTER_MINUTES", default=60))
if not timedelta(0) <= REVIEW_OWN_BANS_AFTER <= timedelta(days=7):
    raise ImproperlyConfigured("REVIEW_OWN_BANS_AFTER_MINUTES must be between 0 and 10080.")
# Bulk calls that ban or lift more people than this need a second moderator. None: none do.
FOUR_EYES_ABOVE = env.int("FOUR_EYES_ABOVE", default=None)
FOUR_EYES_WAIT = timedelta(hours=env.int("FOUR_EYES_HOURS", default=24))
if FOUR_EYES_ABOVE is not None and FOUR_EYES_ABOVE < 0:
    raise ImproperlyConfigured("FOUR_EYES_ABOVE must be at least 0, or empty.")
if not timedelta(hours=1) <= FOUR_EYES_WAIT <= timedelta(days=7):
    raise ImproperlyConfigured("FOUR_EYES_HOURS must be between 1 and 168.")
