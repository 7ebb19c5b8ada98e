"""Notes about a person: who may read, add and delete them, and that nobody else sees them."""

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.models import PersonNote, User
from common.models import AuditEntry
from tests.admin.conftest import Office, permit
from tests.admin.pages import messages_of, page_url, statements_of, text_of
from tests.conftest import Api, make_user
from tests.races import at_once

STAFF = ("view_user", "view_personnote", "add_personnote")


def member(username: str, *codenames: str) -> User:
    return permit(make_user(username, is_staff=True), codenames or STAFF)


@pytest.fixture
def defne(db: None) -> User:
    return member("defne")


@pytest.fixture
def mia(db: None) -> User:
    return make_user("mia")


@pytest.fixture
def note(mia: User, defne: User, now: datetime) -> PersonNote:
    return services.add_note(mia.pk, "Warned by phone.", by=defne, now=now)


def add_url(person: User) -> str:
    return reverse("admin:add_note", args=[person.pk])


def delete_url(note: PersonNote) -> str:
    return reverse("admin:delete_note", args=[note.person_id, note.pk])


def test_a_note_is_added_with_an_audit_row_that_lacks_its_text(office: Office, defne: User, mia: User) -> None:
    client = office(defne)

    answer = client.post(add_url(mia), {"text": " Warned by phone.\r\nTwice. "})

    assert answer.headers["Location"] == f"{page_url(mia)}?tab=notes"
    assert messages_of(answer) == ["The note was added."]
    note = PersonNote.objects.get()
    assert (note.text, note.author, note.person) == ("Warned by phone.\nTwice.", defne, mia)
    entry = AuditEntry.objects.get(action="add_note")
    assert (entry.target_id, entry.actor_id, entry.entry_point) == (mia.pk, defne.pk, "admin")
    assert (entry.before, entry.after) == ({}, {"note_id": note.pk})
    assert "Warned by phone. Twice. defne" in text_of(client.get(page_url(mia), {"tab": "notes"})).replace("<br>", " ")


@pytest.mark.parametrize("text", ["", "  ", "\u200b", "x" * 1001, "a\x00b", "a\u202eb"])
def test_bad_text_is_refused_at_its_field(text: str, office: Office, defne: User, mia: User) -> None:
    answer = office(defne).post(add_url(mia), {"text": text})
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == ["text"]
    assert not PersonNote.all_objects.exists()


def test_a_thousand_characters_fit(office: Office, defne: User, mia: User) -> None:
    office(defne).post(add_url(mia), {"text": "ğ" * 1000})
    assert len(PersonNote.objects.get().text) == 1000


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/other", "javascript:x"])
def test_a_form_leads_back_to_pages_of_the_admin_only(back: str, office: Office, defne: User, mia: User) -> None:
    client = office(defne)
    home = f"{page_url(mia)}?tab=notes"
    ours = reverse("admin:bans_livestreamban_changelist")
    assert client.post(add_url(mia), {"text": "One.", "next": ours}).headers["Location"] == ours
    assert client.post(add_url(mia), {"text": "Two.", "next": back}).headers["Location"] == home


# --- deleting -------------------------------------------------------------------------------------


def test_the_author_deletes_a_note_and_its_row_stays(office: Office, defne: User, note: PersonNote) -> None:
    client = office(defne)
    assert delete_url(note) in client.get(page_url(note.person), {"tab": "notes"}).content.decode()

    answer = client.post(delete_url(note))

    assert messages_of(answer) == ["The note was deleted."]
    note.refresh_from_db()
    assert note.deleted_by == defne
    assert "Warned by phone." not in text_of(client.get(page_url(note.person), {"tab": "notes"}))
    entry = AuditEntry.objects.get(action="delete_note")
    assert (entry.target_id, entry.before, entry.after) == (note.person_id, {"note_id": note.pk}, {})
    again = client.post(delete_url(note))
    assert messages_of(again)[-1] == "there is no note with this id"


def test_nobody_else_but_a_superuser_deletes_it(office: Office, note: PersonNote) -> None:
    other, root = office(member("other")), office(User.objects.create_superuser("root"))
    assert delete_url(note) not in other.get(page_url(note.person), {"tab": "notes"}).content.decode()

    assert other.post(delete_url(note)).status_code == 403
    assert PersonNote.objects.get() == note
    assert root.post(delete_url(note)).status_code == 302
    assert not PersonNote.objects.exists()


def test_of_two_who_delete_a_note_one_does(transactional_db: None) -> None:
    defne, mia = make_user("defne", is_staff=True), make_user("mia")
    note = services.add_note(mia.pk, "Once.", by=defne, now=timezone.now())

    def delete(_number: int) -> str:
        try:
            services.delete_note(note.pk, by=defne, now=timezone.now())
        except services.NoteMissing as refusal:
            return refusal.code
        return "deleted"

    assert sorted(at_once(3, delete)) == ["deleted", "note_not_found", "note_not_found"]
    assert AuditEntry.objects.filter(action="delete_note").count() == 1


# --- who sees what --------------------------------------------------------------------------------

ROLES: dict[str, tuple[str, ...]] = {
    "nothing": ("view_livestream",),
    "people": ("view_user", "view_auditentry"),
    "reader": ("view_user", "view_personnote"),
    "writer": STAFF,
}


@pytest.mark.parametrize(
    ("role", "sees", "adds", "deletes"),
    [
        ("nothing", 403, 403, 403),
        ("people", 400, 403, 403),
        ("reader", 200, 403, 403),
        ("writer", 200, 302, 403),
        ("superuser", 200, 302, 302),
    ],
)
def test_who_may_read_add_and_delete(
    role: str, sees: int, adds: int, deletes: int, office: Office, note: PersonNote, mia: User
) -> None:
    user = User.objects.create_superuser("root") if role == "superuser" else member("who", *ROLES[role])
    client = office(user)

    page = client.get(page_url(mia), {"tab": "notes"})
    assert page.status_code == sees
    assert (b"Warned by phone." in page.content) is (sees == 200)
    assert (add_url(mia).encode() in page.content) is (adds == 302)
    assert client.get(add_url(mia)).status_code == (200 if adds == 302 else 403)
    assert client.post(add_url(mia), {"text": "Crafted."}).status_code == adds
    assert PersonNote.objects.filter(text="Crafted.").exists() is (adds == 302)
    assert client.post(delete_url(note)).status_code == deletes
    assert PersonNote.objects.filter(pk=note.pk).exists() is (deletes != 302)


def test_members_and_strangers_get_nothing(office: Office, client: Client, note: PersonNote, mia: User) -> None:
    assert office(mia).post(add_url(mia), {"text": "Me."}).status_code == 403
    assert office(mia).post(delete_url(note)).status_code == 403
    assert client.post(add_url(mia), {"text": "Me."}).status_code == 302  # to the login
    assert [one.pk for one in PersonNote.objects.all()] == [note.pk]


def test_a_note_is_deleted_by_post_below_its_person_only(office: Office, defne: User, note: PersonNote) -> None:
    client = office(defne)
    assert client.get(delete_url(note)).status_code == 405
    for person, pk in ((defne.pk, note.pk), (note.person_id, "f" * 24), (note.person_id, "x"), ("x", note.pk)):
        assert client.post(f"/admin/accounts/user/{person}/notes/{pk}/delete/").status_code == 404
    assert PersonNote.objects.exists()


@pytest.mark.parametrize("path", ["users/me", "users/profile/{id}", "live-stream-ban/mine", "users/search?q=mia"])
def test_the_api_never_returns_a_note(path: str, api: Api, note: PersonNote, mia: User) -> None:
    answer = api(mia).get(f"/api/v1/{path.format(id=mia.pk)}")
    assert answer.status_code == 200
    assert "Warned" not in answer.content.decode()
    assert "note" not in answer.content.decode().lower().replace("notes", "")


def test_staff_do_not_see_notes_about_themselves(office: Office, note: PersonNote, mia: User) -> None:
    User.objects.filter(pk=mia.pk).update(is_staff=True, is_superuser=True)
    client = office(User.objects.get(pk=mia.pk))

    page = client.get(page_url(mia), {"tab": "notes"})

    assert "Warned by phone." not in page.content.decode()
    assert "Notes about you are not shown to you." in text_of(page)
    assert "notes" not in [str(fact.label) for fact in page.context["card"]["facts"]]
    for answer in (client.post(add_url(mia), {"text": "I am fine."}), client.post(delete_url(note))):
        assert answer.status_code == 403
    assert [one.text for one in PersonNote.objects.all()] == ["Warned by phone."]


def test_the_tab_costs_the_same_for_many_notes_and_has_pages(
    office: Office, defne: User, note: PersonNote, mia: User
) -> None:
    client = office(defne)

    def cost() -> int:
        return statements_of(client, page_url(mia), {"tab": "notes"})

    one = cost()
    for number in range(55):
        services.add_note(mia.pk, f"Note {number}", by=member(f"author{number}"), now=timezone.now())
    assert cost() == one
    page = client.get(page_url(mia), {"tab": "notes"})
    assert text_of(page).count("Note ") >= 50
    (older,) = [address for address, text in page.context["tabs"]["context"]["pages"] if str(text) == "Older"]
    assert "Warned by phone." in text_of(client.get(page_url(mia) + older.split("#")[0]))
