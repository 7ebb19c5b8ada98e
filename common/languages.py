"""Which of our languages a request asks for."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation.trans_real import parse_accept_lang_header


def preferred_language(meta: Mapping[str, Any]) -> str:
    """`X-Language`, else the best of `Accept-Language`, as far as we speak them; else the language of the source."""
    return _best(meta.get("HTTP_X_LANGUAGE", ""), meta.get("HTTP_ACCEPT_LANGUAGE", ""))


@lru_cache(maxsize=1024)
def _best(chosen: str, accepted: str) -> str:
    spoken = {code for code, _ in settings.LANGUAGES}
    for wanted in (chosen.strip().lower(), *(tag for tag, _ in parse_accept_lang_header(accepted.lower()))):
        if wanted.partition("-")[0] in spoken:
            return wanted.partition("-")[0]
    return settings.LANGUAGE_CODE
