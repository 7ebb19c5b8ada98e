"""People in the command palette."""

from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin.palette import MOST, Finder, add_finder
from common.texts import folded

CANDIDATES = 50


def first(people: QuerySet[User], text: str) -> list[User]:
    """Who has the text as username, then those with a name that begins with it. Two statements."""
    named = User.objects.filter(username_key=User.key_of(text))
    start = folded(text)

    def rank(person: User) -> tuple[bool, str]:
        return f" {start}" not in f" {person.names_folded}", person.username_key

    # Without an order: sorting would read everybody with a common name.
    others = sorted(people.order_by()[:CANDIDATES], key=rank)
    return list(dict.fromkeys([*named, *others]))[: MOST + 1]


def shown(person: User) -> tuple[str, str]:
    state = "" if person.is_active else f" · {gettext('deactivated')}"
    return person.shown_name, f"{gettext('Person')} · @{person.username}{state}"


add_finder(Finder(User, "person", first, shown, _("All people with these words"), place=10))
