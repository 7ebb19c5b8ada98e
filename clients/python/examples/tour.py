"""The tour of the README of the service with this client: python examples/tour.py http://localhost:8000

It prints what the lines of that tour print.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta, timezone

from kumanda_client import Kumanda, KumandaError, data, text
from kumanda_client.answers import Answer, Enveloped
from kumanda_client.api.accounts import get_users_me_v1, logout_auth_v1
from kumanda_client.api.live_stream_bans import create_live_stream_ban_bulk_v1
from kumanda_client.api.live_stream_calendars import get_live_stream_by_id_calendar_ics_v1
from kumanda_client.api.live_stream_reminders import (
    create_live_stream_by_id_reminder_v1,
    get_live_stream_by_id_reminder_v1,
)
from kumanda_client.api.live_streams import (
    cancel_live_stream_by_id_v1,
    create_live_stream_v1,
    delete_live_stream_by_id_v1,
    end_live_stream_by_id_v1,
    get_live_stream_by_id_v1,
    get_live_stream_my_active_stream_v1,
    join_live_stream_v1,
    list_live_stream_v1,
    start_live_stream_by_id_v1,
    update_live_stream_by_id_v1,
)
from kumanda_client.api.notifications import list_notifications_v2
from kumanda_client.models import (
    BulkBanRequest,
    CreateLiveStreamRequest,
    Failure,
    JoinLiveStreamRequest,
    SetReminderRequest,
    UpdateLiveStreamRequest,
)


def show[T](answer: Answer[Failure | Enveloped[T]], *names: str) -> T | None:
    """Print the status and some of the data, or the reasons of a refusal. Gives the data."""
    try:
        read = data(answer)
    except KumandaError as error:
        print(error.status, error.errors)
        return None
    print(int(answer.status_code), [shown(getattr(read, name)) for name in names])
    return read


def shown(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def main(url: str) -> None:
    kumanda, viewer = Kumanda(url), Kumanda(url)
    kumanda.log_in("deniz", "deniz-of-the-demo")
    show(get_users_me_v1.sync_detailed(client=kumanda), "username", "name", "surname")

    body = CreateLiveStreamRequest(title="Işık ve Gölge")
    created = create_live_stream_v1.sync_detailed(client=kumanda, body=body)
    stream = show(created, "status", "channel_name", "role")
    if stream is None:
        sys.exit(1)
    envelope = json.loads(created.content)
    print(list(envelope), envelope["timestamp"])

    schedule_and_remind(kumanda, viewer, stream.id)
    start_and_ban(kumanda, viewer, stream.id)
    end_and_refuse(kumanda, stream.id)
    read_lists(kumanda)

    show(logout_auth_v1.sync_detailed(client=kumanda))
    show(get_users_me_v1.sync_detailed(client=kumanda))


def schedule_and_remind(kumanda: Kumanda, viewer: Kumanda, id: str) -> None:
    begins = datetime(2040, 5, 1, 20, tzinfo=timezone(timedelta(hours=3)))
    edit = UpdateLiveStreamRequest(planned_start_date=begins)
    show(update_live_stream_by_id_v1.sync_detailed(id, client=kumanda, body=edit), "status", "planned_start_date")
    viewer.log_in("kerem", "kerem-of-the-demo")
    reminder = SetReminderRequest(minute=15)
    show(
        create_live_stream_by_id_reminder_v1.sync_detailed(id, client=viewer, body=reminder),
        "status",
        "scheduled_for",
    )
    edit = UpdateLiveStreamRequest(planned_start_date=datetime(2040, 5, 2, 17, tzinfo=UTC), duration_goal=90)
    show(update_live_stream_by_id_v1.sync_detailed(id, client=kumanda, body=edit), "planned_end_date")
    show(get_live_stream_by_id_reminder_v1.sync_detailed(id, client=viewer), "scheduled_for")
    calendar = text(get_live_stream_by_id_calendar_ics_v1.sync_detailed(id, client=viewer))
    for line in calendar.splitlines():
        if line.startswith(("DTSTART", "SEQUENCE", "TRIGGER")):
            print(line)


def start_and_ban(kumanda: Kumanda, viewer: Kumanda, id: str) -> None:
    show(start_live_stream_by_id_v1.sync_detailed(id, client=kumanda), "status")
    show(get_live_stream_my_active_stream_v1.sync_detailed(client=kumanda), "title")
    time.sleep(1)
    turkish = viewer.with_headers({"X-Language": "tr"})
    print(data(list_notifications_v2.sync_detailed(client=turkish, limit=1)).list_[0].message)
    show(get_live_stream_by_id_reminder_v1.sync_detailed(id, client=viewer), "status")

    join = JoinLiveStreamRequest(live_stream_id=id)
    show(join_live_stream_v1.sync_detailed(client=viewer, body=join), "role")
    bans = BulkBanRequest(live_stream_id=id, targets=["kerem"], duration_seconds=600, reason="spam")
    banned = create_live_stream_ban_bulk_v1.sync_detailed(client=kumanda, body=bans)
    show(banned, "banned", "already_banned", "refused")
    show(join_live_stream_v1.sync_detailed(client=viewer, body=join), "role")
    show(end_live_stream_by_id_v1.sync_detailed(id, client=kumanda), "status")


def end_and_refuse(kumanda: Kumanda, id: str) -> None:
    show(cancel_live_stream_by_id_v1.sync_detailed(id, client=kumanda), "status")
    try:
        data(cancel_live_stream_by_id_v1.sync_detailed(id, client=kumanda))
    except KumandaError as error:
        print(error.code)
    turkish = kumanda.with_headers({"X-Language": "tr"})
    show(cancel_live_stream_by_id_v1.sync_detailed(id, client=turkish), "status")
    wrong = CreateLiveStreamRequest(title="", duration_goal=0)
    show(create_live_stream_v1.sync_detailed(client=kumanda, body=wrong), "status")
    show(delete_live_stream_by_id_v1.sync_detailed(id, client=kumanda), "status")
    show(get_live_stream_by_id_v1.sync_detailed(id, client=kumanda), "status")


def read_lists(kumanda: Kumanda) -> None:
    active = data(list_live_stream_v1.sync_detailed(client=kumanda, status=["active"], limit=3))
    print(active.pagination.to_dict())
    found = data(list_live_stream_v1.sync_detailed(client=kumanda, search="istanbul", limit=1))
    print(found.list_[0].title)


if __name__ == "__main__":
    main(sys.argv[1])
