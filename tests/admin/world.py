"""A world with a row of every kind in every state that pages of the admin show, and all addresses of these pages."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice, product
from typing import Any

from django.apps import apps
from django.db.models import CharField, Model, TextField
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.services import add_note
from bans.models import LiveStreamBan
from bans.services import ban_many, lift_ban
from bans.services.appeals import appeal_ban
from common.admin.panels import PARAMETER, panels_of
from common.models import AuditEntry
from livestreams.models import LiveStream
from livestreams.services import delete_stream
from reminders.models import Delivery, Reminder
from reminders.services import set_reminder
from tests.admin.bans.reviewing import CHAT_ONLY, review
from tests.admin.notifying import notify_of_start
from tests.admin.pages import VARIABLE, routes
from tests.admin.rows import ROWS_OF
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.bans.requesting import make_request
from tests.conftest import make_user
from tests.streams import make_stream

HOUR = timedelta(hours=1)
ROWS_WITH_TABS = 3  # of each model; the tabs of others are alike
MOST_OF_A_PAGE = 12
# Names that are words of no page, so that a text of the world is not taken for a text of the page.
HOSTS = {"melis": ("Melis", "Şahin"), "ozge": ("Özge", "Işık"), "baris": ("Barış", "Öztürk")}
# Pages that show nothing: JSON, scripts, and what only forwards to another page.
WITHOUT_TEXTS = {"jsi18n", "autocomplete", "view_on_site", "app_list"}


@dataclass
class World:
    """`rows` are found by `app.model`."""

    root: User
    rows: dict[str, list[Any]] = field(default_factory=dict)
    batches: list[str] = field(default_factory=list)

    def add(self, row: Any) -> Any:
        self.rows.setdefault(row._meta.label_lower, []).append(row)
        return row

    def ids(self) -> dict[str, str]:
        """The first row of each model, and an id for each variable in the routes of the admin: see `ids_of_rows`."""
        found = {label: str(rows[0].pk) for label, rows in self.rows.items()}
        return found | {variable: found[label] for variable, label in ROWS_OF.items()} | {"batch_id": self.batches[0]}


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
    world.add(make_request(live, [make_user("sarp"), make_user("tolga")], by=root, reason="Baskın."))
    raid = ban_many(
        live.pk, [make_user(name).pk for name in ("utku", "vedat", "zafer")], by=root, now=now, reason="Baskın."
    )
    world.batches.append(str(raid.id))
    world.add(add_note(melis.pk, "Uyarıldı.", by=root, now=now))
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
    found.update(user.initials for user in User.objects.all())
    return found


# --- the addresses --------------------------------------------------------------------------------


def addresses(world: World) -> Iterator[tuple[str, str]]:
    """The name and the addresses of every page of the admin, found in its URL configuration, with all its tabs.

    Raises AssertionError for a page whose rows the world lacks, so that who adds a page adds its rows here.
    """
    for name, variables in sorted({(name, tuple(VARIABLE.findall(route))) for route, name in routes()}):
        if name in WITHOUT_TEXTS:
            continue
        if not variables:
            yield name, reverse(f"admin:{name}")
        elif (model := _model_of(name)) is not None:
            yield from _pages_of_rows(world, name, model)
        else:
            yield from _other_pages(world, name, variables)


def _pages_of_rows(world: World, name: str, model: type[Model]) -> Iterator[tuple[str, str]]:
    rows = world.rows.get(model._meta.label_lower, [])
    assert rows, f"the world has no {model._meta.label}"
    if not name.endswith("_change"):
        # Pages of actions are alike: every second row has all states.
        for row in rows[::2]:
            yield f"{name} {row}", reverse(f"admin:{name}", args=[row.pk])
        return
    for number, row in enumerate(rows):
        address = reverse(f"admin:{name}", args=[row.pk])
        yield f"{name} {row}", address
        for panel in panels_of(model)[1:] if number < ROWS_WITH_TABS else ():
            yield f"{name} {row} {panel.name}", f"{address}?{PARAMETER}={panel.name}"


def _other_pages(world: World, name: str, variables: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    ids: list[list[str]] = []
    for variable in variables:
        if variable == "batch_id":
            ids.append(world.batches)
            continue
        assert variable in ROWS_OF, f"the world does not know what {variable} of admin:{name} is"
        ids.append([row.pk for row in world.rows[ROWS_OF[variable]]])
    for chosen in islice(product(*ids), MOST_OF_A_PAGE):
        yield f"{name} {chosen}", reverse(f"admin:{name}", args=chosen)


def _model_of(name: str) -> type[Model] | None:
    parts = name.split("_", 2)
    try:
        return apps.get_model(parts[0], parts[1])
    except (LookupError, IndexError):
        return None
