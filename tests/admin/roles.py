"""What each role may do on each page of the admin: asked of the service, and written as a table (`roles.md`).

The pages are those of the URL conf, and the actions those that the pages of models register. A new page or action is a
new row, and each changed cell is a decision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from common.admin import ActionAdmin
from tests.admin.conftest import join
from tests.admin.pages import VARIABLE, routes
from tests.conftest import make_user

TABLE = Path(__file__).with_name("roles.md")
ROLES = ("nobody", "viewer", "moderator", "senior", "ops", "superuser")
GROUPS = {"moderator": "Moderators", "senior": "Senior moderators", "ops": "Ops"}
# Pages without permissions beyond the login as staff, or before it.
FOR_ALL = frozenset({
    "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n", "view_on_site", "app_list",
})  # fmt: skip
# What scripts ask for; these are no pages of their own.
PARTS_OF_PAGES = {"/admin/front-page/data/", "/admin/search/", "/admin/bans/review/<ban_id>/claim/"}
# Nobody adds, changes or deletes rows with forms of Django: tests/admin/test_pages.py.
OF_DJANGO = ("_add", "_history", "_delete")
HEAD = f"""\
# Roles in the admin

What members of staff get for a GET and for a POST of each page, and for each action on rows of a list. `nobody` has no
permission, `viewer` may see everything and change nothing, `moderator`, `senior` and `ops` are members of the groups
*Moderators*, *Senior moderators* and *Ops*. `yes` is any answer of the page itself, also one that refuses because of a
row's state or of a wrong form. A POST that is answered with 403 changes nothing, and neither does any of `viewer`.

`tests/admin/test_roles.py` compares this table with the service. To write it again, review its diff:

```console
$ WRITE_ROLES=1 .venv/bin/pytest tests/admin/test_roles.py
```

| page or action | {" | ".join(ROLES)} |
|---|{"---|" * len(ROLES)}
"""

type Cells = dict[str, dict[str, str]]


def member(role: str) -> User:
    """A new user with this role, whose name is the username."""
    user = make_user(role, is_staff=True, is_superuser=role == "superuser")
    if role == "viewer":
        user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return join(user, GROUPS[role]) if role in GROUPS else user


@dataclass(frozen=True)
class Page:
    """`route` is the row of the table, `path` its address for the rows of a world."""

    route: str
    path: str
    action: str = ""
    """An action on a chosen row of this list."""
    chosen: str = ""


def pages(rows: Mapping[str, str]) -> Iterator[Page]:
    """`rows` are the values of the variables in routes, by `app.model` for those of models, else by their name.

    Raises KeyError for a variable without a value.
    """
    for route, name in routes():
        if name in FOR_ALL or name.endswith(OF_DJANGO):
            continue
        model = ".".join(route.split("/")[:2])
        filled = route
        for variable in VARIABLE.findall(route):
            filled = VARIABLE.sub(rows[model if variable == "object_id" else variable], filled, count=1)
        yield Page(VARIABLE.sub(r"<\1>", f"/admin/{route}"), f"/admin/{filled}")
    for model_class, model_admin in sorted(admin.site._registry.items(), key=lambda each: each[0]._meta.label_lower):
        for action in model_admin.admin_actions if isinstance(model_admin, ActionAdmin) else ():
            label = model_class._meta.label_lower
            path = f"/admin/{label.replace('.', '/')}/"
            yield Page(f"{path} {action.name}", path, action.name, rows[label])


def pages_opened(rows: Mapping[str, str]) -> list[str]:
    """The addresses of all lists and of all pages that belong to no model, as far as superusers open them."""
    table = read()
    return [
        page.path
        for page in pages(rows)
        if not (page.action or "<object_id>" in page.route or page.route in PARTS_OF_PAGES)
        and table[page.route]["superuser"].startswith("yes")
    ]


def answered(client: Client, page: Page, method: str, *, may_change: bool) -> str:
    """The cell of one request, which is undone."""
    with transaction.atomic():
        before = digest()
        if page.action:
            sent = {"action": page.action, "_selected_action": [page.chosen], "reason": "Checked.", "confirmed": "yes"}
            answer = client.post(page.path, sent)
        elif method == "GET":
            answer = client.get(page.path)
        else:
            answer = client.post(page.path, {"reason": "Checked.", "format": "csv", "text": "Checked."})
        if answer.status_code == 403 or not may_change:
            assert digest() == before, f"{page.route}: {answer.status_code}, and changed something"
        transaction.set_rollback(True)
    assert answer.status_code < 500, page.route
    match answer.status_code:
        case 302 if "/login/" in answer.headers["Location"]:
            return "login"
        case 403 | 404 | 405:
            return str(answer.status_code)
    return "yes"


def digest() -> list[Any]:
    """A digest of every table but those of sessions."""
    tables = sorted(
        model._meta.db_table
        for model in apps.get_models()
        if model._meta.managed and model._meta.app_label != "sessions"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table}', md5(coalesce(string_agg(r::text, '|' ORDER BY r::text), '')) FROM {table} r"
                for table in tables
            )
        )
        return sorted(cursor.fetchall())  # of a parallel plan in any order


def cells_of(role: str, rows: Mapping[str, str]) -> dict[str, str]:
    client = Client()
    client.force_login(member(role))
    found = {}
    for page in pages(rows):
        may_change = role not in {"nobody", "viewer"} or page.route == "/admin/preferences/"
        cells = [
            answered(client, page, method, may_change=may_change) for method in ("GET", "POST")[bool(page.action) :]
        ]
        found[page.route] = " / ".join(cells)
    return found


def written(cells: Cells) -> str:
    """The table of cells by route and role."""
    lines = [
        f"| `{route}` | {' | '.join(by_role.get(role, '?') for role in ROLES)} |" for route, by_role in cells.items()
    ]
    return HEAD + "\n".join(lines) + "\n"


def read() -> Cells:
    cells: Cells = {}
    for line in TABLE.read_text().splitlines() if TABLE.exists() else ():
        if line.startswith("| `"):
            route, *values = [part.strip() for part in line.strip("|").split("|")]
            cells[route.strip("`")] = dict(zip(ROLES, values, strict=True))
    return cells
