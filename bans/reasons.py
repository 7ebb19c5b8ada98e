"""The reasons for which a stream can be reported, and their names for moderators."""

from django.utils.translation import gettext_lazy as _

from common.refusals import Text

NAMES: dict[str, Text] = {
    "child_safety": _("danger to children"),
    "copyright": _("copyright"),
    "harassment": _("harassment"),
    "hate": _("hate"),
    "impersonation": _("impersonation"),
    "other": _("something else"),
    "scam": _("scam"),
    "self_harm": _("self-harm"),
    "sexual_content": _("sexual content"),
    "spam": _("spam"),
    "violence": _("violence"),
}


def name_of(reason: str) -> str:
    """The name in the current language. A reason that only this installation knows is named by its key."""
    return str(NAMES.get(reason, reason.replace("_", " ")))
