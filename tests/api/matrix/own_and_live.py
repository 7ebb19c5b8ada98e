"""The calls of operations about active and about own streams in the matrix, and all calls together."""

from collections.abc import Callable

from django.utils import timezone

from accounts.models import User
from edges.services import admit
from livestreams import services as streams
from livestreams.models import LiveStream
from tests.api.matrix.callers import GUEST, NOBODY
from tests.api.matrix.cells import Call, Inapplicable
from tests.api.matrix.kinds import ANOTHERS, ANOTHERS_DELETED, OWN, OWN_DELETED, Rows, pairs
from tests.api.matrix.rows import BASIC_ROWS, in_body, listed, on_stream, past, start
from tests.api.matrix.world import WITHDRAWN, World
from tests.bans.reporting import make_report


def counts(table: str) -> bool:
    """Reads of numbers of viewers count them again, if they are old."""
    return table in {"edges_countingpass", "edges_viewercount", "edges_creatoraudience"}


def live_now(query: str = "") -> Rows:
    return pairs(
        lambda world, caller, owner: Call(
            query=query, shows=world.planned[owner].pk, prepare=start(world.planned[owner]), may_write=counts
        ),
        lambda world, caller, owner: Call(query=query, shows=world.deleted[owner].pk, may_write=counts),
    )


def watched(stream: LiveStream, *viewers: User) -> Callable[[], object]:
    """The stream is started, and these users join it as audience."""

    def prepare() -> None:
        begin = timezone.now()
        streams.start_stream(stream.pk, by=stream.creator, now=begin)
        for viewer in viewers:
            admit(viewer, stream.pk, status="active", role="audience", restriction=None, now=begin)

    return prepare


def most_watched() -> Rows:
    def of(world: World, owner: str) -> Call:
        stream = world.planned[owner]
        return Call(shows=world.people[owner].pk, prepare=watched(stream, world.bystander), may_write=counts)

    return {
        OWN: of,
        ANOTHERS: lambda world, caller: of(world, world.another(caller)),
        OWN_DELETED: Inapplicable("users are not deleted"),
        ANOTHERS_DELETED: Inapplicable("users are not deleted"),
    }


def my_watched() -> Rows:
    """Own is a stream of another that the caller watched; another's is one that only the bystander watched."""

    def of(world: World, viewer: User, *, deleted: bool = False) -> Call:
        stream = world.awaited

        def prepare() -> None:
            watched(stream, viewer)()
            streams.end_stream(stream.pk, by=stream.creator, now=timezone.now())
            if deleted:
                streams.delete_stream(stream.pk, by=stream.creator, now=timezone.now())

        return Call(query="limit=100", shows=stream.pk, prepare=prepare)

    return {
        OWN: lambda world, caller: of(world, world.user(caller)),
        ANOTHERS: lambda world, caller: of(world, world.bystander),
        OWN_DELETED: lambda world, caller: of(world, world.user(caller), deleted=True),
        ANOTHERS_DELETED: lambda world, caller: of(world, world.bystander, deleted=True),
    }


def own_deleted(world: World, caller: str, owner: str) -> frozenset[str]:
    """The texts of a deleted stream that only its creator may read."""
    return frozenset({WITHDRAWN, world.deleted[owner].pk} if caller == owner else ())


def my_deleted() -> Rows:
    def deleted(world: World, caller: str, owner: str) -> Call:
        reveals = own_deleted(world, caller, owner) if owner == caller else _own_if_any(world, caller)
        return Call(query="limit=100", shows=world.deleted[owner].pk, reveals=reveals)

    def living(world: World, caller: str, owner: str) -> Call:
        return Call(query="limit=100", shows=world.planned[owner].pk, reveals=_own_if_any(world, caller))

    return pairs(living, deleted)


def _own_if_any(world: World, caller: str) -> frozenset[str]:
    return frozenset() if caller == NOBODY else own_deleted(world, caller, caller)


def restoring() -> Rows:
    return pairs(
        lambda world, caller, owner: Call({"id": world.planned[owner].pk}),
        lambda world, caller, owner: Call({"id": world.deleted[owner].pk}, reveals=own_deleted(world, caller, owner)),
    )


def by_channel() -> Rows:
    return pairs(
        lambda world, caller, owner: Call({"channelName": world.planned[owner].channel_name}),
        lambda world, caller, owner: Call({"channelName": world.deleted[owner].channel_name}),
    )


def active_of_user() -> Rows:
    def living(world: World, caller: str, owner: str) -> Call:
        stream = world.planned[owner]
        return Call({"userId": world.people[owner].pk}, shows=stream.pk, prepare=start(stream))

    return pairs(
        living,
        lambda world, caller, owner: Call({"userId": world.people[owner].pk}, shows=world.deleted[owner].pk),
    )


def joining_as_guest() -> Rows:
    """Own is a stream of the host in which the caller is invited, and which is active."""

    def living(world: World, caller: str, owner: str) -> Call:
        stream = world.guested[owner]
        return Call(body={"liveStreamId": stream.pk}, prepare=start(stream))

    return pairs(living, lambda world, caller, owner: Call(body={"liveStreamId": world.guested_deleted[owner].pk}))


def reporting() -> Rows:
    body = {"reason": "harassment"}
    return pairs(
        lambda world, caller, owner: Call({"streamId": world.planned[owner].pk}, body=body),
        lambda world, caller, owner: Call({"streamId": world.deleted[owner].pk}, body=body),
    )


def my_reports() -> Rows:
    """Own is a report that the caller made; another's is one of the bystander. All are about streams of the host."""

    def of(world: World, reporter: User, *, deleted: bool = False) -> Call:
        stream = world.awaited

        def prepare() -> None:
            make_report(reporter, stream)
            if deleted:
                streams.delete_stream(stream.pk, by=stream.creator, now=timezone.now())

        return Call(query="limit=100", shows=stream.pk, prepare=prepare)

    return {
        OWN: lambda world, caller: of(world, world.user(caller)),
        ANOTHERS: lambda world, caller: of(world, world.bystander),
        OWN_DELETED: lambda world, caller: of(world, world.user(caller), deleted=True),
        ANOTHERS_DELETED: lambda world, caller: of(world, world.bystander, deleted=True),
    }


def leaving() -> Rows:
    """The caller has joined the stream."""

    def living(world: World, caller: str, owner: str) -> Call:
        stream, joined = world.planned[owner], () if caller == NOBODY else (world.user(caller),)
        return Call({"id": stream.pk}, prepare=watched(stream, *joined), audit=0)  # presence is not audited

    return pairs(living, lambda world, caller, owner: Call({"id": world.deleted[owner].pk}))


def feedback() -> Rows:
    """The caller, unless it is the creator or the guest, has watched the stream, which has ended."""

    def living(world: World, caller: str, owner: str) -> Call:
        stream = world.planned[owner]
        watching = () if caller in (NOBODY, GUEST, owner) else (world.user(caller),)

        def prepare() -> None:
            watched(stream, *watching)()
            streams.end_stream(stream.pk, by=stream.creator, now=timezone.now())

        return Call({"id": stream.pk}, body={"rating": 4}, prepare=prepare)

    return pairs(living, lambda world, caller, owner: Call({"id": world.deleted[owner].pk}, body={"rating": 4}))


ROWS: dict[str, Rows] = BASIC_ROWS | {
    "createLiveStreamByIdFeedbackV1": feedback(),
    "createLiveStreamReportsByStreamidV1": reporting(),
    "getLiveStreamByChannelByChannelnameV1": by_channel(),
    "getLiveStreamUserByUseridActiveStreamV1": active_of_user(),
    "getLiveStreamByIdFeedbackV1": on_stream(),
    "getLiveStreamByIdStatisticsV1": on_stream(),
    "joinLiveStreamAsCreatorV1": in_body(active=True, audit=0),
    "joinLiveStreamAsGuestV1": joining_as_guest(),
    "leaveLiveStreamByIdV1": leaving(),
    "listLiveStreamCatchStreamersV1": live_now("limit=100"),
    "listLiveStreamDeletedV1": my_deleted(),
    "listLiveStreamFeaturedV1": live_now(),
    "listLiveStreamMostWatchedCreatorsV1": most_watched(),
    "listLiveStreamMyBroadcastedStreamsV1": past(of_user=False),
    "listLiveStreamMyUpcomingV1": listed(),
    "listLiveStreamMyWatchedStreamsV1": my_watched(),
    "listLiveStreamReportsMyReportsV1": my_reports(),
    "listLiveStreamWhatsLiveNowV1": live_now("limit=100"),
    "restoreLiveStreamByIdV1": restoring(),
}
