"""The number of SQL statements of each endpoint: the same for one viewer and fifty."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from edges import services
from edges.models import CountingPass
from livestreams import services as services_of_streams
from livestreams.models import LiveStream, Status
from tests.conftest import Api, make_user
from tests.edges.test_join import ban
from tests.envelope import data_of
from tests.streams import STREAMS, make_stream, stream_url
from tests.test_statements import statements

type Call = Callable[[APIClient, LiveStream], Any]


def left(client: APIClient, stream: LiveStream) -> Any:
    return client.post(stream_url(stream, "leave"))


# One statement of each call reads the caller. The restriction of the caller is read with the stream.
PINNED: dict[str, tuple[int, Call]] = {
    "read": (2, lambda client, stream: client.get(stream_url(stream))),
    "join": (3, lambda client, stream: client.post(f"{STREAMS}/join", {"liveStreamId": stream.pk})),
    "viewers": (3, lambda client, stream: client.get(stream_url(stream, "viewers"))),
    "search": (4, lambda client, stream: client.get(stream_url(stream, "viewers"), {"search": "fan"})),
    # The update finds who never joined, and a deleted stream.
    "leave": (2, left),
    # The members of the stream, the numbers, and the samples.
    "statistics": (4, lambda client, stream: client.get(stream_url(stream, "statistics"))),
    "viewer count": (2, lambda client, stream: client.get(stream_url(stream, "viewer-count"))),
    "featured": (2, lambda client, stream: client.get(f"{STREAMS}/featured")),
    "catch streamers": (1, lambda client, stream: client.get(f"{STREAMS}/catch-streamers")),
    "what is live": (3, lambda client, stream: client.get(f"{STREAMS}/whats-live-now")),
    "newest live": (3, lambda client, stream: client.get(f"{STREAMS}/whats-live-now", {"sortBy": "newest"})),
    "most watched": (3, lambda client, stream: client.get(f"{STREAMS}/most-watched-creators")),
    "my watched": (2, lambda client, stream: client.get(f"{STREAMS}/my-watched-streams")),
    "revocations": (3, lambda client, stream: client.get(stream_url(stream, "revocations"))),
}


@pytest.mark.parametrize("viewers", [1, 50])
@pytest.mark.parametrize(("count", "call"), PINNED.values(), ids=PINNED.keys())
def test_an_endpoint_runs_the_pinned_number_of_statements(
    count: int, call: Call, viewers: int, api: Api, creator: User, now: datetime
) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    for number in range(viewers):
        fan = make_user(f"fan{number}")
        services.admit(fan, stream.pk, status=stream.status, role="audience", restriction=None, now=now)
        services.record_revocations(stream.pk, [(fan.pk, "CHAT_ONLY", None)], now=now)
    for counting in (services.LIVE, services.CREATORS, services.STATISTICS):
        counting.finish_pass(now)
    root = make_user("root", is_superuser=True)
    services.admit(root, stream.pk, status=stream.status, role="audience", restriction=None, now=now)
    client = api(root)
    data_of(call(client, stream))  # the keys are cached from here on
    # No pass is due: a caller who finds one due counts a chunk, in five statements or six.
    CountingPass.objects.update(begun_at=now, seconds=1e6)

    run = statements(lambda: data_of(call(client, stream)))

    assert len(run) == count, "\n".join(run)


def test_joining_in_a_role_runs_the_pinned_number_of_statements(api: Api, creator: User, guest: User) -> None:
    def joined(user: User, address: str, stream: LiveStream) -> int:
        client = api(user)
        return len(statements(lambda: data_of(client.post(f"{STREAMS}/{address}", {"liveStreamId": stream.pk}))))

    active = make_stream(creator, Status.ACTIVE, guest=guest)
    data_of(api(creator).post(f"{STREAMS}/join", {"liveStreamId": active.pk}))  # makes the key

    assert joined(creator, "join-as-creator", active) == 3
    # Accepting is three statements more, and reading the stream again.
    assert joined(guest, "join-as-guest", active) == 7
    assert joined(guest, "join-as-guest", active) == 3
    services_of_streams.end_stream(active.pk, by=creator, now=timezone.now())
    # So is starting, which has two statements more.
    assert joined(creator, "join-as-creator", make_stream(creator)) == 9


def test_a_refusal_runs_no_more_statements_than_a_success(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    ban(viewer, stream)
    client = api(viewer)

    assert len(statements(lambda: client.post(f"{STREAMS}/join", {"liveStreamId": stream.pk}))) == 2
    assert len(statements(lambda: client.get(stream_url(stream)))) == 2
