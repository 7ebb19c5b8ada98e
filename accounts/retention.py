"""Retention of sessions, and of what logins leave."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.contrib.sessions.models import Session as AdminSession
from django.db.models import Q

from accounts.devices import KNOWN_FOR
from accounts.login_limits import WINDOW
from accounts.models import KnownAddress, LoginCounter, PersonNote, RefreshedPair, Session
from common.retention import Removal, Retention, remove_rows


def kinds() -> Iterator[Retention]:
    yield Retention("sessions", "SESSION_RETENTION_DAYS", _remove_sessions)
    yield Retention("admin_sessions", "ADMIN_SESSION_HOURS", _remove_admin_sessions)
    yield Retention("failed_logins", "", _remove_failed_logins)
    yield Retention("known_addresses", "", _remove_known_addresses)
    yield Retention("token_pairs", "", _remove_token_pairs)
    yield Retention("person_notes", "DELETED_RETENTION_DAYS", _remove_notes)


def _remove_sessions(now: datetime, removal: Removal) -> None:
    """The audit trail keeps when each session began and ended."""
    before = now - settings.SESSION_RETENTION
    remove_rows(Session.objects.filter(Q(ended_at__lt=before) | Q(expires_at__lt=before)), removal)


def _remove_admin_sessions(now: datetime, removal: Removal) -> None:
    remove_rows(AdminSession.objects.filter(expire_date__lt=now), removal)


def _remove_failed_logins(now: datetime, removal: Removal) -> None:
    remove_rows(LoginCounter.objects.filter(window_started_at__lte=now - WINDOW), removal)


def _remove_known_addresses(now: datetime, removal: Removal) -> None:
    remove_rows(KnownAddress.objects.filter(last_login_at__lte=now - KNOWN_FOR), removal)


def _remove_token_pairs(now: datetime, removal: Removal) -> None:
    remove_rows(RefreshedPair.objects.filter(until__lt=now), removal)


def _remove_notes(now: datetime, removal: Removal) -> None:
    """Deleted notes; others are kept."""
    remove_rows(PersonNote.all_objects.filter(deleted_at__lte=now - settings.DELETED_RETENTION), removal)
