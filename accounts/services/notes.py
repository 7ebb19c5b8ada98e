"""Notes about people, which staff write for each other."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import PersonNote, User
from accounts.services.people import Oneself
from accounts.services.sessions import UserMissing
from common import audit
from common.refusals import Forbidden, Missing


class NoteMissing(Missing):
    """Also raised when the note was deleted before."""

    code = "note_not_found"
    message = _("there is no note with this id")


class NotTheAuthor(Forbidden):
    code = "not_the_author"
    message = _("only the author of the note or a superuser may delete it")


@transaction.atomic
def add_note(person_id: str, text: str, *, by: User, now: datetime) -> PersonNote:
    """Write a note about somebody else. `text` is valid and not empty. Raises UserMissing, Oneself.

    The audit row names the note and not its text: that can be deleted, and more people may read the trail.
    """
    person = User.objects.locked(person_id, otherwise=UserMissing)
    if person.pk == by.pk:
        raise Oneself
    note = PersonNote.objects.create(person=person, author=by, text=text, created_at=now)
    audit.record("add_note", person, by=by, now=now, before={}, after={"note_id": note.pk})
    return note


@transaction.atomic
def delete_note(note_id: str, *, by: User, now: datetime) -> None:
    """Soft-delete a note. Raises NoteMissing, NotTheAuthor, and Oneself for a superuser whom it is about."""
    note = PersonNote.objects.locked(note_id, otherwise=NoteMissing)
    if note.person_id == by.pk:
        raise Oneself
    if not may_delete_note(note, by=by):
        raise NotTheAuthor
    note.deleted_at, note.deleted_by = now, by
    note.save(update_fields=["deleted_at", "deleted_by"])
    audit.record("delete_note", note.person, by=by, now=now, before={"note_id": note.pk}, after={})


def may_delete_note(note: PersonNote, *, by: User) -> bool:
    return note.author_id == by.pk or by.is_superuser
