"""Which server each operation of the API reads: the primary, unless it is a list, a search or a calendar."""

from collections.abc import Sequence
from typing import Any

import pytest

from common.replica import last_writes, reading
from common.replica.checks import CHECKER
from common.replica.state import STATE
from tests.api.operations import Operation, World, operations

FROM_REPLICA = {
    "getLiveStreamByIdViewersV1",
    "getLiveStreamUserByUseridCalendarIcsV1",
    "getLiveStreamUserByUseridPastStreamsV1",
    "getLiveStreamUserByUseridUpcomingLiveStreamsV1",
    "getLiveStreamUserByUseridUpcomingLiveStreamsV2",
    "getNotificationsUnreadCountV1",
    "listLiveStreamCatchStreamersV1",
    "listLiveStreamDeletedV1",
    "listLiveStreamFeaturedV1",
    "listLiveStreamGuestStreamsV1",
    "listLiveStreamMostWatchedCreatorsV1",
    "listLiveStreamMyBroadcastedStreamsV1",
    "listLiveStreamMyPastStreamsV1",
    "listLiveStreamMyUpcomingV1",
    "listLiveStreamMyWatchedStreamsV1",
    "listLiveStreamRemindersV1",
    "listLiveStreamReportsMyReportsV1",
    "listLiveStreamUpcomingV1",
    "listLiveStreamV1",
    "listLiveStreamWhatsLiveNowV1",
    "listNotificationsV1",
    "listNotificationsV2",
    "listUsersSearchV1",
}
# Moderators must see what others have just decided.
LISTS_ON_PRIMARY = {"listLiveStreamBanAppealsV1", "listLiveStreamBanMineV1", "listLiveStreamBanV1"}

OPERATIONS = operations()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[str]:
    """The statements for which the replica is asked. It has everything, and is the database of the test."""
    found: list[str] = []
    fetch = reading.fetched_from_replica

    def recorded(sql: str, values: Sequence[Any]) -> Any:
        found.append(sql)
        return fetch(sql, values)

    settings.DATABASE_REPLICA_URL = "postgresql://replica/kumanda"
    monkeypatch.setattr(reading, "REPLICA", "default")
    monkeypatch.setattr(reading, "fetched_from_replica", recorded)
    # The test itself is a transaction.
    monkeypatch.setattr(reading, "is_inside_change", lambda: False)
    monkeypatch.setattr(CHECKER, "start", lambda: None)
    monkeypatch.setattr(STATE, "holds", lambda lsn: True)
    return found


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_operation_reads_the_server_that_is_declared(operation: Operation, world: World, reads: list[str]) -> None:
    last_writes.position_of_primary()

    response = world.call(operation)

    assert response.status_code < 300, response.content
    assert bool(reads) is (str(operation) in FROM_REPLICA)
    assert not reads or operation.method == "GET"


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.method != "GET"], ids=str)
def test_a_change_with_conditions_and_key_never_reads_the_replica(
    operation: Operation, world: World, reads: list[str]
) -> None:
    """Both read inside the transaction of the change."""
    last_writes.position_of_primary()
    headers: Any = {"HTTP_IDEMPOTENCY_KEY": "once"} if operation.takes_key else {}
    if operation.takes_match:
        headers["HTTP_IF_MATCH"] = "*"

    world.call(operation, **headers)

    assert reads == []


def test_it_is_decided_for_each_list_which_server_it_reads() -> None:
    lists = {str(each) for each in OPERATIONS if "page" in {query["name"] for query in each.query}}
    assert lists <= FROM_REPLICA | LISTS_ON_PRIMARY
    assert {str(each) for each in OPERATIONS} >= FROM_REPLICA | LISTS_ON_PRIMARY


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if str(each) in FROM_REPLICA], ids=str)
def test_without_the_position_of_the_caller_the_primary_is_read(
    operation: Operation, world: World, reads: list[str]
) -> None:
    """The table of positions is empty, as after a crash."""
    world.call(operation)

    assert bool(reads) is (not operation.takes_token)
