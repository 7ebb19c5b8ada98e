"""Capitals of the current language. Django's `capfirst` makes the `i` of Turkish an `I`, which is another letter."""

from collections.abc import Iterable
from types import ModuleType

from django.utils.functional import keep_lazy_text
from django.utils.translation import get_language

# Languages whose `i` has a capital with a dot.
DOTTED = {"tr", "az"}


@keep_lazy_text
def capitalized(text: str) -> str:
    """`text` with a capital at its start: "İtiraz" in Turkish."""
    text = str(text)
    if text.startswith("i") and (get_language() or "").partition("-")[0] in DOTTED:
        return f"İ{text[1:]}"
    return text[:1].upper() + text[1:]


def use_in(modules: Iterable[ModuleType]) -> None:
    """Let these modules, which import Django's function by its name, use `capitalized` instead."""
    for module in modules:
        assert hasattr(module, "capfirst"), module.__name__  # noqa: S101 - a new version may have lost it
        module.capfirst = capitalized  # type: ignore[attr-defined]
