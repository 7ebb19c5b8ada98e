"""A world with a row of every kind in every state that pages of the admin show, and all addresses of these pages."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import CharField, Model, TextField
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.models import User
from bans.models import LiveStreamBan
from bans.services import lift_ban
from bans.services.appeals import appeal_ban
from common.models import AuditEntry
from livestreams.models import LiveStream
from livestreams.services import delete_stream
from reminders.models import Delivery, Reminder
from reminders.services import set_reminder
from tests.admin.bans.reviewing import CHAT_ONLY, review
from tests.admin.notifying import notify_of_start
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.conftest import make_user
from tests.streams import make_stream

HOUR = timedelta(hours=1)
# Names that are words of no page, so that a text of the world is not taken for a text of the page.
HOSTS = {"melis": ("Melis", "Şahin"), "ozge": ("Özge", "Işık"), "baris": ("Barış", "Öztürk")}
# Pages that show nothing: JSON, scripts, and what only forwards to another page.
WITHOUT_TEXTS = {"jsi18n", "autocomplete", "view_on_site", "app_list"}


@dataclass
class World:
    root: User
    rows: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, row: Any) -> Any:
        self.rows.setdefault(row._meta.label_lower, []).append(row)
        return row

    @property
    def ids(self) -> list[str]:
        """The keys of all rows that have a page."""
        return [str(row.pk) for rows in self.rows.values() for row in rows]


def make_world() -> World:
    """All rows are made by services, so the audit trail has entries too."""
    now = timezone.now()
    root = User.objects.create_superuser("defne", "correct horse battery staple", name="Defne", surname="Kılıç")
    world = World(root)
    world.add(root)
    melis, ozge, baris = (
        world.add(make_user(username, name=name, surname=surname, email=f"{username}@example.com"))
        for username, (name, surname) in HOSTS.items()
    )
    world.add(make_user("kerem", name="Kerem", is_active=False))
    world.add(make_user("volkan", is_staff=True))  # without a permission
    live = world.add(make_stream(melis, "active", title="Piyano gecesi", now=now - HOUR))
    for status in ("scheduled", "preparing", "ended", "cancelled_by_host", "expired"):
        world.add(make_stream(ozge, status, title=f"Matematik {status[:2]}7"))
    world.add(make_stream(baris, "scheduled", guest=ozge, title="Satranç", price=5))
    gone = world.add(make_stream(baris, "ended", title="Bulmaca"))
    delete_stream(gone.pk, by=baris, now=now)
    _ban_people(world, live)
    for name in ("tuna", "yaman"):
        report = make_report(make_user(name), live, reason="spam", comment="Reklam gördüm.")
    world.add(report.case)
    _notify(world, baris)
    entries = AuditEntry.objects.order_by("target_type", "action", "pk").distinct("target_type", "action")
    for entry in entries:
        world.add(entry)
    return world


def _ban_people(world: World, live: LiveStream) -> None:
    now = timezone.now()

    def banned(name: str, **fields: Any) -> LiveStreamBan:
        target = world.add(make_user(name))
        ban: LiveStreamBan = world.add(make_ban(target, live, reason="Küfür etti.", now=now - HOUR, **fields))
        return ban

    banned("ayaz")
    banned("bora", action_type=CHAT_ONLY, expires_at=now + HOUR)
    banned("cem", expires_at=now - HOUR / 2)
    appealed = banned("deniz")
    appeal_ban(appealed.pk, by=appealed.target, now=now, text="Kardeşim yazmıştı.")
    upheld, changed, lifted = banned("ege"), banned("firat"), banned("gizem")
    review(upheld, world.root, "upheld")
    appeal_ban(upheld.pk, by=upheld.target, now=now, text="Yanlış anlaşıldım.")
    review(changed, world.root, "changed", expires_at=now + 48 * HOUR)
    lift_ban(lifted.pk, by=live.creator, now=now)


def _notify(world: World, host: User) -> None:
    now = timezone.now()
    delivery = world.add(notify_of_start(make_stream(host, title="Bağlama"), [make_user("pelin")]))
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Delivery.State.FAILED, last_error="HTTP 503", next_attempt_at=None, closed_at=now
    )
    for row in (delivery.chunk, delivery.chunk.round):
        world.add(row)
    later = make_stream(world.rows["accounts.user"][2], title="Resim", planned_start_at=now + 3 * HOUR)
    set_reminder(later.pk, by=make_user("rana"), now=now, minute=30, language="tr")
    for reminder in Reminder.objects.order_by("pk"):
        world.add(reminder)


# --- the texts of the world -----------------------------------------------------------------------

# Columns whose values are words of the service, which pages translate.
WORDS_OF_THE_SERVICE = {"action", "target_type", "entry_point", "state", "status", "codename", "app_label", "model"}


def texts_of_rows(world: World) -> set[str]:
    """What people wrote: the values of all columns with text, except choices and other words of the service."""
    found: set[str] = set()
    for model in apps.get_models():
        names = [
            column.name
            for column in model._meta.concrete_fields
            if isinstance(column, (CharField, TextField))
            and not column.choices
            and column.name not in WORDS_OF_THE_SERVICE
            and model._meta.app_label in {"accounts", "bans", "common", "edges", "livestreams", "reminders"}
        ]
        if names:
            for values in model._base_manager.values_list(*names):
                found.update(str(value) for value in values if value)
    found.update(word for user in User.objects.all() for word in user.get_full_name().split())
    found.update((user.name[:1] + user.surname[:1]) or user.username[:2] for user in User.objects.all())
    return found


# --- the addresses --------------------------------------------------------------------------------


def addresses(world: World, client: Client) -> Iterator[tuple[str, str]]:
    """The name and an address of every page of the admin, found in its URL configuration.

    A page with an id gets that of a row of its model; a page that belongs to no model gets each id of the world until
    one opens it. Raises AssertionError for a page that none of them opens, so that new pages add their rows here.
    """
    for name, arguments in sorted(set(_named_patterns())):
        if name in WITHOUT_TEXTS:
            continue
        yield from _opened(world, client, name, arguments)


def _opened(world: World, client: Client, name: str, arguments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not arguments:
        yield name, reverse(f"admin:{name}")
        return
    model = _model_of(name)
    if model is not None:
        rows = world.rows.get(model._meta.label_lower, [])
        assert rows, f"the world has no {model._meta.label}"
        # Pages of actions are alike: every second row has all states.
        for row in rows if name.endswith("_change") else rows[::2]:
            yield f"{name} {row}", reverse(f"admin:{name}", args=[row.pk])
        return
    others = {"action": [action for site_model in admin.site._registry.values() for action in _actions(site_model)]}
    for pk in world.ids:
        for action in others["action"] if len(arguments) > 1 else [""]:
            try:
                address = reverse(f"admin:{name}", args=[pk, action] if action else [pk])
            except NoReverseMatch:
                continue
            if client.get(address).status_code == 200:
                yield name, address
                return
    raise AssertionError(f"no row of the world opens the page admin:{name}")


def _actions(model_admin: Any) -> list[str]:
    return [action.name for action in getattr(model_admin, "admin_actions", ())]


def _model_of(name: str) -> type[Model] | None:
    parts = name.split("_", 2)
    try:
        return apps.get_model(parts[0], parts[1])
    except (LookupError, IndexError):
        return None


def _named_patterns() -> Iterator[tuple[str, tuple[str, ...]]]:
    resolver = next(found for found in get_resolver().url_patterns if getattr(found, "namespace", "") == "admin")
    yield from _patterns_in(resolver)


def _patterns_in(resolver: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns_in(pattern)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name, tuple(dict.fromkeys([*pattern.pattern.converters, *pattern.pattern.regex.groupindex]))
