"""Demonstration data for moderators: viewers, bans that wait, decisions, a raid, reports, feedback on past streams.

Presence and samples of viewers are inserted, because no media server runs. All else is made by the services.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import cycle

import bans.services
import edges.services
from accounts.models import User
from bans.models import LiveStreamBan
from edges.models import Participant, StreamStatistics, ViewerSample
from livestreams.models import LiveStream, Status

Review = LiveStreamBan.Review

# They have parts of their own in the README's tour and in the list of bans of `world`.
KEPT_OUT = {"admin", "defne", "deniz", "emily", "kerem"}
STAYS = timedelta(days=1)  # of the viewers of live streams: nobody renews their tokens

REASONS = [
    ("Aynı mesajı yirmi kez yazdı", "CHAT_ONLY"), ("Called another viewer names", "BLOCK"),
    ("Reklam bağlantısı paylaştı", "CHAT_ONLY"), ("Keeps posting an invite link", "CHAT_ONLY"),
    ("Konuşmacıya hakaret etti", "BLOCK"), ("Off-topic after two warnings", "CHAT_ONLY"),
    ("Başka birinin telefonunu yazdı", "BLOCK"), ("Slurs in three languages", "BLOCK"),
    ("Sahte bilet satıyor", "BLOCK"), ("Shouting in capitals for ten minutes", "CHAT_ONLY"),
    ("Spoiler yazıp duruyor", "CHAT_ONLY"), ("Threatened the host", "BLOCK"),
    ("Kendi yayınını duyuruyor", "CHAT_ONLY"), ("Asks minors for their age", "BLOCK"),
]  # fmt: skip
APPEALS = [
    "Bağlantı yayının kaynaklarındaydı, reklam değildi.", "I was quoting the guest, and he laughed about it.",
    "Hesabım o saatte kardeşimdeydi, özür dilerim.", "It was one message. A day is a bit much for that.",
    "Kimseye hakaret etmedim, kayda bakabilirsiniz.", "I have paid for this stream and would like to see the end.",
    "Yanlış kişiyi banladınız, adım benziyor.",
]  # fmt: skip
DECISIONS = [
    (Review.UPHELD, "Clear: three warnings before."), (Review.LIFTED, "İlk seferi ve özür diledi."),
    (Review.UPHELD, "Reklam, ikinci kez."), (Review.CHANGED, "A day is enough for spam."),
    (Review.UPHELD, "Threats are never fine."), (Review.LIFTED, "The host agrees that it was a joke."),
]  # fmt: skip
COMMENTS = [
    "Harikaydı, bir saat daha dinlerdim.", None, "Clear and calm, thank you.", None, "Ses biraz kısıktı.",
    "Could have been shorter.", None, "Yine bekleriz!",
]  # fmt: skip
RAID = "Raid: joined together and posted the same text"


def fill(people: Sequence[User], now: datetime) -> None:
    """Create what happened in the hours before `now` on the streams that are there."""
    chance = random.Random(14)
    crowd = [user for user in people if user.username not in KEPT_OUT]
    live = list(LiveStream.objects.filter(status=Status.ACTIVE).select_related("creator").order_by("started_at"))
    coming = list(LiveStream.objects.filter(status=Status.SCHEDULED).select_related("creator").order_by("created_at"))
    _watch_past_streams(crowd, chance)
    _ban(live, coming, crowd, by_name={user.username: user for user in people}, now=now)
    raiders = [user.username for user in crowd[-16:]]
    bans.services.ban_many(live[0].pk, raiders, by=live[0].creator, now=now - timedelta(minutes=6), reason=RAID)
    _watch_live_streams(live, crowd, now)
    _report(live, crowd, now)
    for counting in (edges.services.LIVE, edges.services.STATISTICS, edges.services.CREATORS):
        counting.take_step(now)


# --- bans -----------------------------------------------------------------------------------------


def _ban(
    live: Sequence[LiveStream],
    coming: Sequence[LiveStream],
    crowd: Sequence[User],
    *,
    by_name: dict[str, User],
    now: datetime,
) -> None:
    """Bans of the last day, some of them decided, and appeals against eight with the one of `world`."""
    reasons = cycle(REASONS)

    def make(streams: Sequence[LiveStream], number: int, minutes: int, ends_in: int | None = None) -> LiveStreamBan:
        """Ban the next person whom nothing protects. `minutes` ago; `ends_in` minutes from now."""
        made = now - timedelta(minutes=minutes)
        stream = streams[number % len(streams)]
        text, kind = next(reasons)
        return bans.services.ban_user(
            next(_bannable(stream, crowd, first=number)).pk,
            stream.pk,
            by=stream.creator,
            now=made,
            action_type=kind,
            reason=text,
            expires_at=None if ends_in is None else now + timedelta(minutes=ends_in),
        )

    deciders = cycle([by_name["defne"], by_name["defne"], by_name["defne"], by_name["admin"]])
    decided = [
        _decide(make(coming[:4], number, 560 - 35 * number, 2_000), number, by=next(deciders), now=now)
        for number in range(16)
    ]
    appealed = [make([*live, *coming[:6]], 20 + number, 150 - 20 * number, 3_000) for number in range(5)]
    upheld = [ban for ban in decided if ban.review == Review.UPHELD][-2:]
    for number, ban in enumerate([*upheld, *appealed]):
        asked_at = now - timedelta(minutes=48 - 6 * number)
        bans.services.appeal_ban(ban.pk, by=ban.target, now=max(asked_at, ban.updated_at), text=APPEALS[number])
    for number in range(9):  # on live streams
        make(live[:3], 40 + number, 2 + number, None if number % 3 else 600)
    for number in range(5):  # ending within the hour
        make(coming[:8], 60 + number, 55 + 17 * number, 9 + 11 * number)
    for number in range(11):  # the rest
        make(coming[:8], 80 + number, 30 + 65 * number, None if number % 2 else 4_000)


def _bannable(stream: LiveStream, crowd: Sequence[User], *, first: int) -> Iterator[User]:
    banned = set(LiveStreamBan.all_objects.filter(stream=stream).values_list("target_id", flat=True))
    for number in range(len(crowd)):
        user = crowd[(first * 7 + number) % len(crowd)]
        if user.pk not in {stream.creator_id, stream.guest_id, *banned}:
            yield user


def _decide(ban: LiveStreamBan, number: int, *, by: User, now: datetime) -> LiveStreamBan:
    """Review the ban half an hour after it was made."""
    verdict, reason = DECISIONS[number % len(DECISIONS)]
    changes = {"expires_at": now + timedelta(days=1)} if verdict == Review.CHANGED else None
    at = ban.created_at + timedelta(minutes=30)
    return bans.services.review_ban(ban.pk, by=by, now=at, verdict=verdict, reason=reason, changes=changes)


def _report(live: Sequence[LiveStream], crowd: Sequence[User], now: datetime) -> None:
    """Three open cases."""
    for stream, reason, comment, reporters in (
        (live[1], "harassment", "Sohbette birine sataşıyorlar.", 5),
        (live[2], "copyright", "This is the full film.", 3),
        (live[4], "spam", None, 1),
    ):
        viewers = [user for user in crowd if user.pk not in {stream.creator_id, stream.guest_id}]
        for number, user in enumerate(viewers[:reporters]):
            bans.services.report_stream(
                stream.pk, by=user, now=now - timedelta(minutes=4 * number + 1), reason=reason, comment=comment
            )


# --- viewers --------------------------------------------------------------------------------------


def _watch_live_streams(live: Sequence[LiveStream], crowd: Sequence[User], now: datetime) -> None:
    here = []
    for place, stream in enumerate(live):
        blocks = LiveStreamBan.objects.holding(now).filter(stream=stream, action_type=LiveStreamBan.ActionType.BLOCK)
        kept_out = set(blocks.values_list("target", flat=True))
        started = stream.started_at or now
        for number, user in enumerate(crowd[: len(crowd) - 6 * place]):
            if user.pk in {stream.creator_id, stream.guest_id, *kept_out}:
                continue
            joined = started + (now - started) * (number / len(crowd))
            here.append(_participant(stream, user, joined, now + STAYS, watched=(now - joined).total_seconds()))
    Participant.objects.bulk_create(here)


def _participant(
    stream: LiveStream, user: User, joined: datetime, seen: datetime, *, watched: float, has_left: bool = False
) -> Participant:
    return Participant(
        stream=stream,
        user=user,
        role=LiveStream.Role.AUDIENCE,
        first_seen_at=joined,
        last_seen_at=seen,
        left_at=seen if has_left else None,
        watched_seconds=watched,
    )


def _watch_past_streams(crowd: Sequence[User], chance: random.Random) -> None:
    """Viewers of the streams that have ended, their number every five minutes, and feedback about the newest ones."""
    there, samples, statistics = [], [], []
    streams = list(LiveStream.objects.filter(status=Status.ENDED).order_by("-ended_at"))
    for stream in streams:
        started, ended = _span(stream)
        lasted = ended - started
        viewers = [user for user in crowd if user.pk not in {stream.creator_id, stream.guest_id}]
        visits = []
        for user in chance.sample(viewers, chance.randint(8, 30)):
            begin, end = sorted((chance.random() ** 2, 1 - chance.random() ** 3))
            joined, left = started + begin * lasted, started + end * lasted
            visits.append((joined, left))
            seconds = (left - joined).total_seconds()
            there.append(_participant(stream, user, joined, left, watched=seconds, has_left=True))
        counted = _counted(stream, visits)
        samples += [ViewerSample(stream=stream, at=at, viewers=viewers) for at, viewers in counted]
        peak_at, peak = max(counted, key=lambda sample: sample[1])
        statistics.append(StreamStatistics(stream=stream, peak=peak, peak_at=peak_at))
    Participant.objects.bulk_create(there)
    ViewerSample.objects.bulk_create(samples)
    StreamStatistics.objects.bulk_update(statistics, ["peak", "peak_at"])
    for stream in streams[:8]:
        visitors = [each.user for each in there if each.stream_id == stream.pk]
        for number, user in enumerate(visitors[:5]):
            edges.services.give_feedback(
                stream.pk,
                by=user,
                now=_span(stream)[1] + timedelta(minutes=number + 1),
                rating=chance.choice([3, 4, 4, 5, 5, 5]),
                comment=chance.choice(COMMENTS),
            )


def _counted(stream: LiveStream, visits: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, int]]:
    """The number of viewers every five minutes, where it has changed."""
    started, ended = _span(stream)
    counted: list[tuple[datetime, int]] = []
    at = started.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while at < ended:
        viewers = sum(joined <= at < left for joined, left in visits)
        if not counted or counted[-1][1] != viewers:
            counted.append((at, viewers))
        at += timedelta(minutes=5)
    return counted


def _span(stream: LiveStream) -> tuple[datetime, datetime]:
    """The start and the end of a stream that has ended."""
    if stream.started_at is None or stream.ended_at is None:
        raise ValueError(f"{stream.title} has not ended")
    return stream.started_at, stream.ended_at
