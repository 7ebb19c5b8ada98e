"""Permission checks of bans and appeals."""

from django.utils.translation import gettext_lazy as _

from accounts.models import User, holders_of
from bans.services import NotTheBannedPerson
from common.queries import ID, Param, Question
from common.refusals import Forbidden

_MODERATES = Question(lambda: holders_of("bans.moderate").filter(pk=Param("id", ID)).order_by().values_list("pk"))


class NotAModerator(Forbidden):
    code = "not_creator_or_moderator"
    message = _("only the creator of the stream or a moderator may do this")


class NotConcerned(Forbidden):
    code = "not_concerned_by_ban"
    message = _("only the creator of the stream, a moderator or the banned person may see this")


def moderates(user: User) -> bool:
    return user.is_superuser or bool(_MODERATES.rows(id=user.pk))


def refuse_unless_creator_or_moderator(user: User, creator_id: str) -> None:
    if user.pk != creator_id and not moderates(user):
        raise NotAModerator


def refuse_unless_concerned(user: User, creator_id: str, target_id: str) -> None:
    if user.pk not in (creator_id, target_id) and not moderates(user):
        raise NotConcerned


def refuse_unless_banned_person(user: User, target_id: str) -> None:
    if user.pk != target_id:
        raise NotTheBannedPerson
