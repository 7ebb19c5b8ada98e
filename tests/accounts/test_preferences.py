"""Preferences of members of staff: the service, the page, and the language and zone of all pages of the admin."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import StaffPreferences, User
from accounts.services import UserMissing, change_preferences, time_zones
from common.models import AuditEntry
from common.refusals import Forbidden, Invalid
from tests.conftest import Api, make_user

PAGE = reverse("admin:preferences")
CHOSEN = {"language": "tr", "time_zone": "Europe/Istanbul", "stay_on_case": True}


@pytest.fixture
def staff(db: None) -> User:
    return make_user("defne", is_staff=True)


@pytest.fixture
def client(client: Client, staff: User) -> Iterator[Client]:
    client.force_login(staff)
    with translation.override(None):  # restores the language of the thread
        yield client


def stored(user: User) -> list[Any]:
    return list(StaffPreferences.objects.filter(user=user).values("language", "time_zone", "stay_on_case"))


def audited() -> list[tuple[Any, Any]]:
    return list(AuditEntry.objects.filter(action="change_preferences").order_by("id").values_list("before", "after"))


# --- the service ----------------------------------------------------------------------------------


def test_without_a_row_the_defaults_hold(staff: User) -> None:
    assert stored(staff) == []
    assert staff.preferences.language == staff.preferences.time_zone == ""
    assert staff.preferences.stay_on_case is False


def test_a_choice_is_stored_and_audited(staff: User, now: datetime) -> None:
    chosen = change_preferences(by=staff, now=now, language="tr", time_zone="Europe/Istanbul", stay_on_case=True)

    assert stored(staff) == [CHOSEN]
    assert (chosen.language, chosen.time_zone, chosen.stay_on_case) == tuple(CHOSEN.values())
    assert audited() == [({"language": "", "time_zone": "", "stay_on_case": False}, CHOSEN)]


def test_one_value_is_changed_and_the_others_stay(staff: User, now: datetime) -> None:
    change_preferences(by=staff, now=now, language="tr", time_zone="Asia/Tokyo")
    change_preferences(by=staff, now=now, stay_on_case=True)
    change_preferences(by=staff, now=now, language="")

    assert stored(staff) == [{"language": "", "time_zone": "Asia/Tokyo", "stay_on_case": True}]
    assert audited()[1:] == [({"stay_on_case": False}, {"stay_on_case": True}), ({"language": "tr"}, {"language": ""})]


def test_the_same_choice_again_writes_no_audit_row(staff: User, now: datetime) -> None:
    for _time in range(2):
        change_preferences(by=staff, now=now, language="en")
    assert len(audited()) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("language", "de"), ("language", "tr-TR"), ("time_zone", "Europe/Atlantis"), ("time_zone", "../../etc/passwd")],
)
def test_a_wrong_value_is_refused_and_changes_nothing(field: str, value: str, staff: User, now: datetime) -> None:
    wrong: Any = {"stay_on_case": True, field: value}
    with pytest.raises(Invalid) as refused:
        change_preferences(by=staff, now=now, **wrong)
    assert refused.value.field == field
    assert stored(staff) == []
    assert audited() == []


def test_a_user_who_is_no_staff_is_refused(viewer: User, now: datetime) -> None:
    with pytest.raises(Forbidden):
        change_preferences(by=viewer, now=now, language="tr")
    assert stored(viewer) == []


def test_a_user_who_was_removed_is_refused(staff: User, now: datetime) -> None:
    User.objects.filter(pk=staff.pk).delete()
    with pytest.raises(UserMissing):
        change_preferences(by=staff, now=now, language="tr")


def test_every_offered_time_zone_is_accepted(staff: User, now: datetime) -> None:
    assert {"UTC", "Europe/Istanbul", "America/Argentina/Ushuaia"} <= set(time_zones())
    for name in time_zones()[:: len(time_zones()) // 10]:
        assert change_preferences(by=staff, now=now, time_zone=name).time_zone == name


# --- the page -------------------------------------------------------------------------------------


def test_the_page_stores_what_was_chosen_and_shows_it(client: Client, staff: User) -> None:
    answer = client.post(PAGE, {"language": "tr", "time_zone": "Europe/Istanbul", "stay_on_case": "on"}, follow=True)

    assert stored(staff) == [CHOSEN]
    page = answer.content.decode()
    assert '<html lang="tr"' in page
    assert '<option value="Europe/Istanbul" selected>' in page


@pytest.mark.parametrize("wrong", [{"language": "de"}, {"time_zone": "Europe/Atlantis"}, {"time_zone": "%00"}])
def test_a_wrong_value_is_shown_at_its_field(wrong: dict[str, str], client: Client, staff: User) -> None:
    answer = client.post(PAGE, wrong)
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == list(wrong)
    assert stored(staff) == []


def test_the_menu_of_the_user_leads_to_the_page_and_to_the_password(client: Client, staff: User) -> None:
    page = client.get(reverse("admin:index")).content.decode()
    assert f'href="{PAGE}"' in page
    assert f'href="{reverse("admin:password_change")}"' in page


def test_a_user_of_an_identity_provider_has_no_password_to_change(client: Client, staff: User) -> None:
    staff.set_unusable_password()
    staff.save()
    client.force_login(staff)
    assert reverse("admin:password_change") not in client.get(PAGE).content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_only_staff_open_the_page(method: str, client: Client, viewer: User) -> None:
    for user in (None, viewer):
        client.logout()
        if user is not None:
            client.force_login(user)
        answer = getattr(client, method)(PAGE, {"language": "tr"})
        # A crafted request of somebody who is logged in is refused; everybody else is led to the login.
        if method == "post" and user is not None:
            assert answer.status_code == 403
        else:
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith(reverse("admin:login"))
    assert not StaffPreferences.objects.exists()


# --- all pages ------------------------------------------------------------------------------------


def test_the_chosen_language_is_stronger_than_that_of_the_browser(client: Client, staff: User) -> None:
    change_preferences(by=staff, now=timezone.now(), language="tr")

    page = client.get(reverse("admin:index"), headers={"Accept-Language": "en"})
    missing = client.get("/admin/nothing/", headers={"Accept-Language": "en"})

    for answer in (page, missing):
        assert '<html lang="tr"' in answer.content.decode()
        assert answer.headers["Content-Language"] == "tr"


def test_without_a_choice_the_browser_decides(client: Client) -> None:
    for language in ("en", "tr"):
        page = client.get(reverse("admin:index"), headers={"Accept-Language": language})
        assert f'<html lang="{language}"' in page.content.decode()
        assert page.headers["Content-Language"] == language


@pytest.mark.parametrize(("chosen", "hours"), [("", "+0000"), ("Asia/Kolkata", "+0530")])
def test_pages_are_in_the_chosen_time_zone(chosen: str, hours: str, client: Client, staff: User) -> None:
    change_preferences(by=staff, now=timezone.now(), time_zone=chosen)
    offset = 60 * (60 * int(hours[1:3]) + int(hours[3:]))
    assert f'data-admin-utc-offset="{offset}"' in client.get(PAGE).content.decode()


def test_the_zone_of_the_installation_holds_for_those_who_chose_none(client: Client, settings: Any) -> None:
    settings.ADMIN_TIME_ZONE = "Europe/Istanbul"
    assert 'data-admin-utc-offset="10800"' in client.get(PAGE).content.decode()


def test_a_zone_that_this_machine_lacks_is_utc(client: Client, staff: User) -> None:
    StaffPreferences.objects.create(user=staff, time_zone="Europe/Atlantis")
    assert 'data-admin-utc-offset="0"' in client.get(PAGE).content.decode()


def test_preferences_end_with_the_page(client: Client, staff: User, api: Api) -> None:
    change_preferences(by=staff, now=timezone.now(), language="tr", time_zone="Asia/Tokyo")
    zone = timezone.get_current_timezone_name()
    client.get(PAGE)
    assert timezone.get_current_timezone_name() == zone

    answer = api(staff).get("/api/v1/live-stream/nothing", headers={"Accept-Language": "en"})

    assert "hexadecimal" in answer.content.decode()


def test_preferences_cost_a_page_no_statement(
    client: Client, staff: User, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    client.get(PAGE)
    with django_assert_max_num_queries(4) as without:
        client.get(PAGE)
    change_preferences(by=staff, now=timezone.now(), language="tr")
    with django_assert_num_queries(len(without)):
        client.get(PAGE)
