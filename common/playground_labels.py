"""The labels of Swagger UI, which has no translations of its own."""

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

LABELS = (
    _("Parameters"),
    _("Request body"),
    _("Responses"),
    _("Response headers"),
    _("Response body"),
    _("Response content type"),
    _("Request duration"),
    _("Request URL"),
    _("Server response"),
    _("Execute"),
    _("Clear"),
    _("Cancel"),
    _("Reset"),
    _("Try it out"),
    _("No parameters"),
    _("Name"),
    _("Description"),
    _("Code"),
    _("Details"),
    _("Links"),
    _("No links"),
    _("Media type"),
    _("Example Value"),
    _("Edit Value"),
    _("Schema"),
    _("Schemas"),
    _("Undocumented"),
    _("Download"),
    _("required"),
    _("Examples"),
    _("Examples:"),
    _("Callbacks"),
    _("Headers:"),
    _("Type"),
    _("Send empty value"),
    _("Warning: Deprecated"),
    _("Errors"),
    _("Hide"),
    _("Show"),
    _("Expand all"),
    _("Collapse all"),
    _("Enum"),
    _("Default"),
    _("Controls"),
    _("header."),
)


def labels() -> dict[str, str]:
    """The labels in the current language, by their English text."""
    return {label: gettext(label) for label in LABELS}
