"""The page on which members of staff choose their language, their time zone and how the queue behaves."""

from itertools import groupby
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from accounts import services
from accounts.models import User
from common.admin import add_page, page_context


def _languages() -> list[tuple[str, Any]]:
    return [("", _("That of the browser")), *settings.LANGUAGES]


def _zones() -> list[tuple[Any, Any]]:
    """The zones by continent, as groups of the control."""
    utc, *places = services.time_zones()
    installation = _("That of the installation (%(zone)s)") % {"zone": settings.ADMIN_TIME_ZONE}
    by_continent = groupby(places, key=lambda name: name.partition("/")[0])
    return [("", installation), (utc, utc), *((area, [(zone, zone) for zone in zones]) for area, zones in by_continent)]


class PreferencesForm(forms.Form):
    language = forms.ChoiceField(
        label=pgettext_lazy("preferences", "Language"),
        choices=_languages,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=_zones,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Times in the admin are shown in this zone, and typed in it."),
    )
    stay_on_case = forms.BooleanField(
        label=_("Stay on the case"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("After a decision, stay on the case instead of opening the next one."),
    )


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu of the user, named in the settings. Unfold then leaves out its own link to the password form."""
    links = [{"title": _("Preferences"), "link": reverse("admin:preferences")}]
    if isinstance(request.user, User) and request.user.has_usable_password():
        links.append({"title": _("Change password"), "link": reverse("admin:password_change")})
    return links


def preferences(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    now_chosen = {name: getattr(user.preferences, name) for name in PreferencesForm.base_fields}
    form = PreferencesForm(request.POST if request.method == "POST" else None, initial=now_chosen)
    if form.is_valid():
        chosen = services.change_preferences(by=user, now=timezone.now(), **form.cleaned_data)
        with translation.override(chosen.language or translation.get_language_from_request(request)):
            messages.success(request, gettext("Your preferences were saved."))
        return HttpResponseRedirect(reverse("admin:preferences"))
    context = {
        **page_context(request, gettext("Preferences")),
        "form": form,
        "media": form.media,
        "save_text": pgettext_lazy("preferences", "Save"),
    }
    return TemplateResponse(request, "admin/preferences.html", context)


add_page("preferences/", preferences, name="preferences")
