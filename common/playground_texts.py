"""The texts of the playground."""

from django.utils.translation import gettext_lazy as _

# By the names that the template and the scripts use. `{…}` is filled in by the scripts.
TEXTS = {
    "api": _("API"),
    "guides": _("Guides"),
    "close": _("Close"),
    "language": _("Language"),
    "search": _("Filter operations and guides"),
    "search_hint": _("Words of a path, a description, a parameter or an error code"),
    "nothing_found": _("No operation matches “{words}”."),
    "loading": _("The API document is being loaded…"),
    "no_script": _("The playground needs JavaScript. The API document:"),
    # servers and tokens
    "server": _("Server"),
    "demo_accounts": _("Log in as"),
    "username": _("Username"),
    "password": _("Password"),
    "log_in": _("Log in"),
    "log_out": _("Log out"),
    "have_token": _("I have an access token"),
    "token": _("Access token, without the word Bearer"),
    "use_token": _("Use this token"),
    "logged_in": _("{server}: logged in as {name}."),
    "token_used": _("{server}: an access token is used."),
    "logged_out": _("{server}: not logged in."),
    "session_ended": _("{server}: the access token is not accepted any more. Log in again."),
    "login_failed": _("Not logged in: {reason}"),
    # Production
    "production_selected": _("Production is selected."),
    "production_affects": _("Calls that change something affect real data. Use Development for tests."),
    "production_question": _("Send this to Production?"),
    "production_type": _("It affects real data. To send it, type {word}."),
    "cancel": _("Cancel"),
    "send": _("Send"),
    "cancelled": _("Cancelled. Nothing was sent to Production."),
    "cors_refused": _(
        "{server} ({url}) does not allow calls from this page: its CORS settings do not name {origin}. Its operator "
        "adds this origin to CORS_ALLOWED_ORIGINS. Until then, run the code samples in a terminal."
    ),
    "unreachable": _("{server} ({url}) does not answer, or this browser cannot reach it."),
    # code samples
    "samples": _("Code sample"),
    "copy": _("Copy"),
    "copied": _("Copied"),
    "your_token": _("<access token>"),
}


def texts() -> dict[str, str]:
    """The playground's own texts in the current language."""
    return {name: str(text) for name, text in TEXTS.items()}
