"""Retention of sessions, and of what logins leave."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.contrib.sessions.models import Session as AdminSession
from django.db.models import Q
from django.db.models.functions import Coalesce

from accounts.devices import KNOWN_FOR
from accounts.login_limits import WINDOW
from accounts.models import KnownAddress, LoginCounter, PersonNote, RefreshedPair, Session
from accounts.services import record_expiry
from common.retention import Kept, Removal, Retention, remove_rows


def kinds() -> Iterator[Retention | Kept]:
    yield Retention("sessions", "SESSION_RETENTION_DAYS", ("accounts_session",), _remove_sessions)
    yield Retention("admin_sessions", "ADMIN_SESSION_HOURS", ("django_session",), _remove_admin_sessions)
    yield Retention("failed_logins", "", ("accounts_logincounter",), _remove_failed_logins, "five minutes")
    yield Retention("known_addresses", "", ("accounts_knownaddress",), _remove_known_addresses, "90 days after a login")
    yield Retention("token_pairs", "", ("accounts_refreshedpair",), _remove_token_pairs, "60 seconds after the refresh")
    yield Retention("person_notes", "DELETED_RETENTION_DAYS", ("accounts_personnote",), _remove_notes)
    yield Kept("accounts_user", "until the account is removed: streams and bans name their people")
    yield Kept("accounts_user_groups", "until staff take the person out of the group")
    yield Kept("accounts_user_user_permissions", "until staff take the permission away")
    yield Kept("accounts_media", "until the picture is replaced, or the account is removed")
    yield Kept("accounts_staffpreferences", "until the account is removed")


def _remove_sessions(now: datetime, removal: Removal) -> None:
    """The audit trail keeps when each session began and ended. Nobody ended those that expired: they get a row here."""
    before = now - settings.SESSION_RETENTION
    due = Session.objects.filter(Q(ended_at__lt=before) | Q(expires_at__lt=before))
    ended = Coalesce("ended_at", "expires_at")
    remove_rows(due, removal, time=ended, before_delete=lambda sessions: record_expiry(sessions, now=now))


def _remove_admin_sessions(now: datetime, removal: Removal) -> None:
    remove_rows(AdminSession.objects.filter(expire_date__lt=now), removal, time="expire_date")


def _remove_failed_logins(now: datetime, removal: Removal) -> None:
    before = now - WINDOW
    remove_rows(LoginCounter.objects.filter(window_started_at__lte=before), removal, time="window_started_at")


def _remove_known_addresses(now: datetime, removal: Removal) -> None:
    before = now - KNOWN_FOR
    remove_rows(KnownAddress.objects.filter(last_login_at__lte=before), removal, time="last_login_at")


def _remove_token_pairs(now: datetime, removal: Removal) -> None:
    remove_rows(RefreshedPair.objects.filter(until__lt=now), removal, time="until")


def _remove_notes(now: datetime, removal: Removal) -> None:
    """Deleted notes; others are kept."""
    before = now - settings.DELETED_RETENTION
    remove_rows(PersonNote.all_objects.filter(deleted_at__lte=before), removal, time="deleted_at")
