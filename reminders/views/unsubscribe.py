"""The page behind the unsubscribe link of an email. It needs no login, and supports one-click POST (RFC 8058)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language, gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from reminders import services
from reminders.channels.email import unsubscriber


# A mail program that unsubscribes for a user has no cookie. The signature in the address is the authentication.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """POST unsubscribes. GET only shows a form, because link scanners of mail servers fetch every link in a mail."""
    user_id = unsubscriber(token)
    if user_id is None:
        return _page(
            request,
            gettext("This link does not work"),
            gettext("It is not complete. Copy it from the email as a whole."),
            status=404,
        )
    if request.method != "POST":
        return _page(
            request,
            gettext("No more emails?"),
            gettext("You will still find your notifications in your inbox."),
            button=gettext("Stop emails"),
        )
    services.unsubscribe(user_id, now=timezone.now())
    return _page(request, gettext("Done"), gettext("You will get no more emails about streams."))


def _page(request: HttpRequest, heading: str, message: str, *, button: str = "", status: int = 200) -> HttpResponse:
    texts = {"language": get_language(), "heading": heading, "message": message, "button": button}
    response = render(request, "reminders/email/unsubscribe.html", texts, status=status)
    # The address of the page is a credential.
    response["Referrer-Policy"] = "no-referrer"
    return response
