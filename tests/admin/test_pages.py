"""Lists and pages of the admin: they open, rows are found, and rows cannot be added, changed or deleted."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from accounts.models import User
from bans.models import BulkRequest, LiveStreamBan, ReportCase
from common.models import AuditEntry
from livestreams.models import LiveStream, Status
from reminders.models import Chunk, Delivery, Reminder, Round
from tests.admin.conftest import CHANGE_PERMISSIONS, VIEW_PERMISSIONS, Office, permit
from tests.admin.notifying import notify_of_start
from tests.admin.pages import action_url, list_url, page_url, statements_of, text_of
from tests.admin.rows import make_row
from tests.bans.people import make_ban
from tests.streams import make_stream

OURS = [LiveStream, User, LiveStreamBan, BulkRequest, ReportCase, AuditEntry, Reminder, Round, Chunk, Delivery]


VIEW_BANS = ("view_livestreamban", "view_bulkrequest", "view_reportcase")


@pytest.fixture
def moderator(moderator: User) -> User:
    return permit(moderator, (*CHANGE_PERMISSIONS, *VIEW_BANS))


@pytest.fixture
def reader(reader: User) -> User:
    return permit(reader, (*VIEW_PERMISSIONS, *VIEW_BANS))


@pytest.fixture
def stream(creator: User) -> LiveStream:
    return make_stream(creator)


def test_exactly_these_are_in_the_admin_and_nothing_of_the_job_queue() -> None:
    assert set(admin.site._registry) == set(OURS)


@pytest.mark.parametrize("model", OURS)
def test_a_list_and_a_page_open(model: type[Model], stream: LiveStream, office: Office, reader: User) -> None:
    client = office(reader)
    row = make_row(model, stream)

    listed = client.get(list_url(model))
    page = client.get(page_url(row))

    assert listed.status_code == page.status_code == 200
    assert page_url(row) in listed.content.decode()
    assert "Kumanda" in text_of(page)


@pytest.mark.parametrize("model", OURS)
def test_a_row_is_found_by_its_id(model: type[Model], stream: LiveStream, office: Office, reader: User) -> None:
    row = make_row(model, stream)
    wanted = row.target_id if isinstance(row, AuditEntry) else row.pk

    found = office(reader).get(list_url(model), {"q": wanted.upper()})
    nothing = office(reader).get(list_url(model), {"q": "f" * 24})

    assert [result.pk for result in found.context["cl"].result_list] == [row.pk]
    assert list(nothing.context["cl"].result_list) == []


@pytest.mark.parametrize("part", ["add", "delete", "change"])
@pytest.mark.parametrize("model", OURS)
def test_not_even_a_superuser_adds_deletes_or_edits_make_row(
    model: type[Model], part: str, stream: LiveStream, office: Office
) -> None:
    root = User.objects.create_superuser("root", "password")
    row = make_row(model, stream)
    before = model._base_manager.values().get(pk=row.pk)
    opts = model._meta
    args = [] if part == "add" else [row.pk]
    address = reverse(f"admin:{opts.app_label}_{opts.model_name}_{part}", args=args)

    answer = office(root).post(address, {"post": "yes", "title": "crafted", "username": "crafted"})

    assert answer.status_code == 403
    assert model._base_manager.values().get(pk=row.pk) == before


@pytest.mark.parametrize("model", OURS)
def test_the_delete_action_of_django_is_not_offered(model: type[Model], stream: LiveStream, office: Office) -> None:
    page = office(User.objects.create_superuser("root", "password")).get(list_url(model))
    assert "delete_selected" not in page.content.decode()


@pytest.mark.parametrize("model", OURS)
@pytest.mark.parametrize("part", ["change", "history", "delete"])
@pytest.mark.parametrize("pk", ["x", "f" * 24, "0" * 23, "%00", "1 OR 1=1", "é"])
def test_a_wrong_id_redirects_to_the_index_or_is_refused(
    model: type[Model], part: str, pk: str, office: Office, db: None
) -> None:
    root = User.objects.create_superuser("root", "password")
    opts = model._meta
    address = f"{list_url(model)}{pk}/{part}/"

    answer = office(root).get(address)

    assert answer.status_code in {302, 403, 404}, opts
    if answer.status_code == 302:
        assert answer.headers["Location"] == reverse("admin:index")


@pytest.mark.parametrize("pk", ["x", "f" * 24, "%00"])
def test_an_action_on_a_wrong_id_redirects_to_the_index(pk: str, office: Office, moderator: User) -> None:
    answer = office(moderator).post(f"{list_url(LiveStream)}{pk}/cancel_stream/", {"reason": "Spam."})
    assert answer.status_code == 302
    assert answer.headers["Location"] == reverse("admin:index")


@pytest.mark.parametrize(
    "query",
    ["status=x", "creator__id__exact=x", "planned_start_at_from_0=x&planned_start_at_from_1=y", "p=x", "o=99", "q=%00"],
)
def test_a_wrong_filter_is_not_a_server_error(query: str, office: Office, reader: User) -> None:
    assert office(reader).get(f"{list_url(LiveStream)}?{query}").status_code in {200, 302, 400}


@pytest.mark.parametrize("model", OURS)
def test_a_list_needs_a_login(model: type[Model], client: Client, db: None) -> None:
    answer = client.get(list_url(model))
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("model", OURS)
def test_users_who_are_not_staff_are_redirected_to_the_login(model: type[Model], office: Office, creator: User) -> None:
    assert office(creator).get(list_url(model)).headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("model", OURS)
def test_staff_without_permission_see_nothing(model: type[Model], office: Office, db: None) -> None:
    newcomer = User.objects.create_user("newcomer", is_staff=True)
    assert office(newcomer).get(list_url(model)).status_code == 403


@pytest.mark.slow
@pytest.mark.parametrize("model", OURS)
def test_a_list_costs_the_same_for_fifty_rows_as_for_one(
    model: type[Model], office: Office, moderator: User, guest: User
) -> None:
    client = office(moderator)
    hosts = [User.objects.create_user(f"host{number}", name="Host") for number in range(50)]
    make_ban(hosts[1], make_stream(hosts[0], guest=guest))
    notify_of_start(make_stream(hosts[0]), [hosts[1]])
    one = statements_of(client, list_url(model), most=12)

    for host in hosts[1:]:
        make_ban(hosts[0], make_stream(host, guest=guest))
        notify_of_start(make_stream(host), [hosts[0]])

    keys = int(model is LiveStream)  # there are two pages of streams now, whose keys are found first
    assert statements_of(client, list_url(model), most=12) == one + keys


def test_deleted_streams_are_shown_and_marked(office: Office, reader: User, stream: LiveStream) -> None:
    stream.deleted_at = timezone.now()
    stream.save()

    shown = office(reader).get(list_url(LiveStream))
    living = office(reader).get(list_url(LiveStream), {"deleted": "no"})

    assert [row.pk for row in shown.context["cl"].result_list] == [stream.pk]
    assert list(living.context["cl"].result_list) == []
    assert "Evening talk creator deleted" in text_of(shown)
    assert office(reader).get(page_url(stream)).status_code == 200


@pytest.mark.parametrize("wanted", ["ISIK", "ışık", "channel", "creator"])
def test_a_stream_is_found_by_title_channel_name_or_creator(
    wanted: str, office: Office, reader: User, creator: User, guest: User
) -> None:
    make_stream(guest, title="Another")
    stream = make_stream(creator, title="Işık ve gölge")
    text = stream.channel_name if wanted == "channel" else wanted

    found = office(reader).get(list_url(LiveStream), {"q": text})

    assert [row.pk for row in found.context["cl"].result_list] == [stream.pk]


@pytest.mark.parametrize(("wanted", "count"), [("status__exact=active", 1), ("type__exact=duocrowd", 1), ("", 3)])
def test_streams_are_filtered(
    wanted: str, count: int, office: Office, reader: User, creator: User, guest: User
) -> None:
    make_stream(creator, Status.ACTIVE)
    make_stream(creator, guest=guest)
    make_stream(creator)

    found = office(reader).get(f"{list_url(LiveStream)}?{wanted}")

    assert len(found.context["cl"].result_list) == count


@pytest.mark.parametrize("wanted", ["entry_point=command", "action=create_stream", "who=crea", "kind=livestream"])
def test_the_audit_trail_is_filtered(wanted: str, office: Office, reader: User, stream: LiveStream) -> None:
    found = office(reader).get(f"{list_url(AuditEntry)}?{wanted}")
    nothing = office(reader).get(f"{list_url(AuditEntry)}?{wanted}xyz")

    assert [entry.target_id for entry in found.context["cl"].result_list] == [stream.pk]
    assert nothing.status_code == 400 or not nothing.context["cl"].result_list


def test_an_audit_entry_is_found_by_its_actor_and_its_request(
    office: Office, moderator: User, stream: LiveStream
) -> None:
    client = office(moderator)
    client.post(action_url(stream, "cancel_stream"), {"reason": "Spam."}, headers={"X-Request-ID": "case-17"})

    for wanted in (moderator.pk, moderator.username, "case-17"):
        found = client.get(list_url(AuditEntry), {"q": wanted})
        assert [entry.action for entry in found.context["cl"].result_list] == ["cancel_stream"]


def test_the_page_of_a_stream_shows_its_audit_trail_in_order(
    office: Office, moderator: User, reader: User, creator: User
) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    make_stream(creator, title="Another")
    office(moderator).post(action_url(stream, "end_stream"), {"reason": "Nudity at 20:14."})

    page = office(reader).get(page_url(stream), {"tab": "trail"})

    sentences = [str(row[1]) for row in page.context["tabs"]["context"]["table"]["rows"]]
    assert ["ended" in sentences[0], "started" in sentences[1], "created" in sentences[2]] == [True] * 3
    assert len(sentences) == 3
    assert "Nudity at 20:14." in text_of(page)
    assert "status active → ended" in text_of(page)


def test_the_audit_trail_on_a_page_needs_the_permission_to_view_it(
    office: Office, creator: User, stream: LiveStream
) -> None:
    reader = User.objects.create_user("half", is_staff=True)
    reader.user_permissions.add(*Permission.objects.filter(codename="view_livestream"))

    assert not office(reader).get(page_url(stream)).context["audit_trail"]
    assert office(reader).get(page_url(stream), {"tab": "trail"}).context["tabs"] is None


def test_the_admin_is_in_the_language_of_the_browser(client: Client, db: None) -> None:
    with override(None):  # restores the language of the thread
        page = client.get(reverse("admin:login"), headers={"Accept-Language": "tr"})
    assert 'lang="tr"' in page.content.decode()


@pytest.mark.parametrize("answer", ["invited", "accepted", "declined"])
def test_the_page_of_a_stream_shows_the_answer_of_its_guest(
    answer: str, office: Office, reader: User, creator: User, guest: User
) -> None:
    stream = make_stream(creator, guest=guest, answer=answer)

    page = office(reader).get(reverse("admin:livestreams_livestream_change", args=[stream.pk])).content.decode()

    assert "Answer of the guest" in page
    assert re.search(rf">\s*{answer}\s*<", page)
