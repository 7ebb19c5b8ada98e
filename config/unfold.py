"""Settings of Unfold, the admin theme: title, colours and sidebar."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may_view(permission: str) -> Any:
    def permitted(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return permitted


def _may_approve(request: HttpRequest) -> bool:
    """Where no bulk call needs a second moderator, there is nothing to see."""
    return settings.FOUR_EYES_ABOVE is not None and request.user.has_perm("bans.view_bulkrequest")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Kumanda",
    "SITE_HEADER": "Kumanda",
    "SITE_SUBHEADER": _("Control plane for live streaming"),
    "SITE_SYMBOL": "live_tv",
    "SITE_URL": reverse_lazy("playground"),
    "DASHBOARD_CALLBACK": "config.front_page.pages.context",
    # Each page shows the audit trail instead; Django's history has only what its own forms save.
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COMMAND": {"search_callback": "common.admin.palette.found"},
    "ACCOUNT": {"navigation": "accounts.preferences_page.account_links"},
    "STYLES": [lambda request: static("common/admin/audit.css"), lambda request: static("common/admin/admin.css")],
    "SCRIPTS": [lambda request: static("common/admin/controls.js")],
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("common/admin/favicon.svg")}
    ],
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
    },
    "SIDEBAR": {
        "navigation": [
            {
                "items": [
                    {"title": _("Overview"), "icon": "dashboard", "link": reverse_lazy("admin:index")},
                    {
                        "title": _("Streams"),
                        "icon": "live_tv",
                        "link": reverse_lazy("admin:livestreams_livestream_changelist"),
                        "permission": _may_view("livestreams.view_livestream"),
                    },
                    {
                        "title": _("Review"),
                        "icon": "rule",
                        "link": reverse_lazy("admin:review"),
                        "permission": _may_view("bans.view_livestreamban"),
                        "badge": "bans.admin.waiting_badge",
                        "badge_variant": "warning",
                    },
                    {
                        "title": _("Bans"),
                        "icon": "gavel",
                        "link": reverse_lazy("admin:bans_livestreamban_changelist"),
                        "permission": _may_view("bans.view_livestreamban"),
                    },
                    {
                        "title": _("Bulk requests"),
                        "icon": "group_add",
                        "link": reverse_lazy("admin:bans_bulkrequest_changelist"),
                        "permission": _may_approve,
                    },
                    {
                        "title": _("Team"),
                        "icon": "groups",
                        "link": reverse_lazy("admin:team"),
                        "permission": _may_view("bans.view_team_figures"),
                    },
                    {
                        "title": _("Reports"),
                        "icon": "flag",
                        "link": reverse_lazy("admin:bans_reportcase_changelist"),
                        "permission": _may_view("bans.view_reportcase"),
                        "badge": "bans.admin.open_badge",
                        "badge_variant": "warning",
                    },
                    {
                        "title": _("Users"),
                        "icon": "group",
                        "link": reverse_lazy("admin:accounts_user_changelist"),
                        "permission": _may_view("accounts.view_user"),
                    },
                    {
                        "title": _("Audit trail"),
                        "icon": "history",
                        "link": reverse_lazy("admin:common_auditentry_changelist"),
                        "permission": _may_view("common.view_auditentry"),
                    },
                ],
            },
            {
                "title": _("Reminders"),
                "separator": True,
                "items": [
                    {
                        "title": _("Reminders"),
                        "icon": "alarm",
                        "link": reverse_lazy("admin:reminders_reminder_changelist"),
                        "permission": _may_view("reminders.view_reminder"),
                    },
                    {
                        "title": _("Rounds"),
                        "icon": "campaign",
                        "link": reverse_lazy("admin:reminders_round_changelist"),
                        "permission": _may_view("reminders.view_round"),
                    },
                    {
                        "title": _("Chunks"),
                        "icon": "view_module",
                        "link": reverse_lazy("admin:reminders_chunk_changelist"),
                        "permission": _may_view("reminders.view_chunk"),
                    },
                    {
                        "title": _("Deliveries"),
                        "icon": "outbox",
                        "link": reverse_lazy("admin:reminders_delivery_changelist"),
                        "permission": _may_view("reminders.view_delivery"),
                    },
                ],
            },
        ],
    },
}
