"""The demo data: fifty users, their streams, reminders and bans, in two languages."""

import colorsys
import io
import random
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group
from django.db import transaction
from PIL import Image, ImageDraw, ImageFont

import accounts.services
import bans.services
import livestreams.services
import reminders.services
from accounts.models import PHOTO_SIZES, User
from bans.models import LiveStreamBan
from common.locks import AdvisoryLock
from config import evening
from livestreams.models import GuestStatus, LiveStream, Status
from reminders.models import Round

SEEDING = AdvisoryLock("seed")
PHOTO_SIDE = 320


@dataclass(frozen=True)
class Account:
    role: str
    username: str
    password: str


# Public passwords, used only in the embedded database of the developer's machine: see config/demo.py.
ACCOUNTS = [
    Account("admin", "admin", "admin-of-the-demo"),
    Account("moderator", "defne", "defne-of-the-demo"),
    Account("creator", "deniz", "deniz-of-the-demo"),
    Account("guest", "emily", "emily-of-the-demo"),
    Account("viewer", "kerem", "kerem-of-the-demo"),
]


def table_of(accounts_to_open: Sequence[Account]) -> str:
    rows = [("role", "username", "password"), *map(astuple, accounts_to_open)]
    return "\n".join(f"  {role:<10} {username:<10} {password}" for role, username, password in rows)


MODERATORS = "Moderators"  # the group that a migration of bans creates

PEOPLE = [
    ("admin", "Selin", "Aksoy"), ("defne", "Defne", "Yıldız"), ("deniz", "Deniz", "Şahin"),
    ("emily", "Emily", "Carter"), ("kerem", "Kerem", "Öztürk"), ("zeynep", "Zeynep", "Kaya"),
    ("mehmet", "Mehmet", "Demir"), ("elif", "Elif", "Çelik"), ("mustafa", "Mustafa", "Arslan"),
    ("ayse", "Ayşe", "Doğan"), ("burak", "Burak", "Kılıç"), ("ceren", "Ceren", "Aydın"),
    ("can", "Can", "Özdemir"), ("ece", "Ece", "Polat"), ("emre", "Emre", "Güneş"),
    ("irem", "İrem", "Koç"), ("kaan", "Kaan", "Şimşek"), ("melis", "Melis", "Yavuz"),
    ("onur", "Onur", "Erdoğan"), ("pinar", "Pınar", "Türk"), ("serkan", "Serkan", "Ünal"),
    ("sude", "Sude", "Işık"), ("tolga", "Tolga", "Bulut"), ("ufuk", "Ufuk", "Çetin"),
    ("yagmur", "Yağmur", "Tekin"), ("gokce", "Gökçe", "Uçar"), ("baris", "Barış", "Sönmez"),
    ("olivia", "Olivia", "Bennett"), ("liam", "Liam", "Foster"), ("noah", "Noah", "Hughes"),
    ("ava", "Ava", "Mitchell"), ("james", "James", "Walker"), ("sophie", "Sophie", "Turner"),
    ("lucas", "Lucas", "Reed"), ("mia", "Mia", "Brooks"), ("ethan", "Ethan", "Price"),
    ("grace", "Grace", "Coleman"), ("henry", "Henry", "Ward"), ("ruby", "Ruby", "Ellis"),
    ("jack", "Jack", "Murray"), ("chloe", "Chloe", "Hayes"), ("oscar", "Oscar", "Dixon"),
    ("isla", "Isla", "Grant"), ("leo", "Leo", "Spencer"), ("nora", "Nora", "Palmer"),
    ("theo", "Theo", "Marsh"), ("alice", "Alice", "Quinn"), ("adam", "Adam", "Doyle"),
    ("freya", "Freya", "Walsh"), ("sam", "Sam", "Burke"),
]  # fmt: skip

TITLES = [
    ("Sabah kahvesi ve gündem", "talk"), ("İstanbul Boğazı'ndan canlı akustik", "music"),
    ("Evde ekşi mayalı ekmek", "cooking"), ("Python ile ilk adımlar", "coding"),
    ("Gece yarısı soru cevap", "talk"), ("Şehir fotoğrafçılığı üzerine", "art"),
    ("Çocuklarla gökyüzü gözlemi", "science"), ("Türk halk müziği seçkisi", "music"),
    ("Girişimcilik: ilk müşteri", "business"), ("Kapadokya yürüyüş rotaları", "travel"),
    ("Morning yoga for stiff backs", "fitness"), ("Live mixing: deep house", "music"),
    ("Ask me anything about databases", "coding"), ("Watercolour skies in an hour", "art"),
    ("Sunday roast, step by step", "cooking"), ("Speedrun practice and chat", "gaming"),
    ("Learning Turkish together", "language"), ("Street food of Izmir", "travel"),
    ("Open source office hours", "coding"), ("The physics of a perfect free kick", "science"),
]  # fmt: skip


def is_seeded() -> bool:
    return User.objects.filter(username=ACCOUNTS[0].username).exists()


@transaction.atomic
def seed(now: datetime, accounts_to_open: Sequence[Account] = ACCOUNTS) -> bool:
    """Create the demo data with times relative to `now`, in one transaction. False if it exists already.

    `accounts_to_open` has the passwords of the five users who can log in.
    """
    SEEDING.take()
    if is_seeded():
        return False
    people = _people(now, accounts_to_open)
    _streams(people, now)
    _bans(people, now)
    _reminders(people, now)
    evening.fill(people, now)
    return True


def _people(now: datetime, accounts_to_open: Sequence[Account]) -> list[User]:
    chance = random.Random(50)
    passwords = {account.username: account.password for account in accounts_to_open}
    roles = {account.username: account.role for account in accounts_to_open}
    people = []
    for number, (username, name, surname) in enumerate(PEOPLE):
        joined = now - timedelta(days=chance.randint(30, 400), minutes=number)
        role = roles.get(username)
        user = accounts.services.create_user(
            username,
            passwords.get(username),
            by=None,
            now=joined,
            name=name,
            surname=surname,
            email=f"{username}@example.com",
            availability_status=chance.choice(User.Availability.values),
            is_staff=role in ("admin", "moderator"),
            is_superuser=role == "admin",
        )
        if role == "moderator":
            user.groups.set(Group.objects.filter(name=MODERATORS))
        full, squares = _portrait(name[0] + surname[0], number / len(PEOPLE))
        people.append(accounts.services.set_own_photo(user, full, squares, by=user, now=joined))
    return people


def _portrait(initials: str, hue: float) -> tuple[bytes, dict[int, bytes]]:
    """A photo and its square sizes as WebP. Drawn here, which avoids the decoder process of uploads."""
    light, dark = (
        tuple(round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, 0.55)) for lightness in (0.62, 0.38)
    )
    mask = Image.linear_gradient("L").resize((PHOTO_SIDE, PHOTO_SIDE))
    photo = Image.composite(Image.new("RGB", mask.size, dark), Image.new("RGB", mask.size, light), mask)
    font = ImageFont.load_default(PHOTO_SIDE * 2 // 5)
    ImageDraw.Draw(photo).text((PHOTO_SIDE / 2, PHOTO_SIDE / 2), initials, fill="white", font=font, anchor="mm")
    return _webp(photo), {side: _webp(photo.resize((side, side))) for side in PHOTO_SIZES}


def _webp(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP")
    return file.getvalue()


def _streams(people: Sequence[User], now: datetime) -> None:
    """Streams in every state, made by the services with a `now` in the past."""
    chance = random.Random(20)
    by_name = {user.username: user for user in people}
    deniz, emily = by_name["deniz"], by_name["emily"]
    hosts = [user for user in people if user.username not in {"admin", "defne", "kerem", "deniz"}]

    def planned(
        host: User, title: int, *, announced: datetime, start: datetime, guest: User | None = None
    ) -> LiveStream:
        text, interest = TITLES[title % len(TITLES)]
        return livestreams.services.create_stream(
            by=host,
            now=announced,
            title=text,
            type=LiveStream.Type.DUO_CROWD if guest else LiveStream.Type.SOLO,
            guest=guest.pk if guest else None,
            interest=interest,
            price=Decimal(chance.choice([0, 0, 0, 49, 99])),
            duration_goal=chance.choice([30, 45, 60, 90]),
            motivation=None if chance.random() < 0.5 else f"{text} – herkesi bekleriz / everybody is welcome.",
            planned_start_at=start,
        )

    def start_and_end(stream: LiveStream, host: User, start: datetime, minutes: int) -> None:
        livestreams.services.start_stream(stream.pk, by=host, now=start)
        livestreams.services.end_stream(stream.pk, by=host, now=start + timedelta(minutes=minutes))

    for number in range(30):  # ended
        host = deniz if number % 6 == 0 else hosts[number % len(hosts)]
        guest = emily if number % 6 == 0 else None
        start = now - timedelta(days=number + 1, minutes=chance.randint(0, 300))
        stream = planned(host, number, announced=start - timedelta(days=2), start=start, guest=guest)
        _answer(stream, guest)
        start_and_end(stream, host, start + timedelta(minutes=chance.randint(0, 9)), chance.randint(20, 95))

    for number in range(6):  # active
        host = hosts[number + 7]
        start = now - timedelta(minutes=5 + 9 * number)
        stream = planned(host, number + 3, announced=start - timedelta(hours=5), start=start)
        _remind(stream, [by_name["kerem"], *hosts[number + 15 : number + 21]], start - timedelta(hours=4))
        _notify(stream, start - timedelta(minutes=LEADS[0] or 0))
        livestreams.services.start_stream(stream.pk, by=host, now=start)
        _notify(stream, start)

    answers = {5: GuestStatus.INVITED, 15: GuestStatus.DECLINED}
    for number in range(18):  # scheduled
        host = deniz if number % 5 == 0 else hosts[(number + 17) % len(hosts)]
        guest = emily if host is deniz else hosts[number] if number % 4 == 1 and hosts[number] is not host else None
        announced = now - timedelta(hours=number + 1)
        start = now + timedelta(minutes=20 + 190 * number)
        stream = planned(host, number + 11, announced=announced, start=start, guest=guest)
        _answer(stream, guest, answers.get(number, GuestStatus.ACCEPTED))

    for number in range(3):  # preparing
        livestreams.services.create_stream(
            by=hosts[number + 30], now=now - timedelta(minutes=4 * number + 2), title=TITLES[number + 5][0]
        )

    for number in range(4):  # cancelled, the last two by their guest
        host, guest = hosts[number + 24], hosts[number + 33]
        announced = now - timedelta(days=number + 1)
        stream = planned(host, number + 8, announced=announced, start=now + timedelta(days=1), guest=guest)
        livestreams.services.cancel_stream(
            stream.pk, by=guest if number > 1 else host, now=announced + timedelta(hours=6)
        )

    for number in range(2):  # expired
        start = now - timedelta(days=number + 2)
        stream = planned(hosts[number + 14], number + 4, announced=start - timedelta(days=1), start=start)
        livestreams.services.expire_stream(stream.pk, now=now - timedelta(days=1))

    for number in range(2):  # deleted
        host = hosts[number + 2]
        stream = planned(host, number + 6, announced=now - timedelta(days=3), start=now + timedelta(days=number + 2))
        livestreams.services.delete_stream(stream.pk, by=host, now=now - timedelta(days=2))


# Who is banned, for what, the kind, how many minutes ago, and for how many hours (None: until it is lifted).
BANS = [
    ("kerem", "Yayın boyunca aynı bağlantıyı paylaştı", "CHAT_ONLY", 4, 24),
    ("tolga", "Konuğa hakaret", "BLOCK", 3, None),
    ("liam", "Spam", "CHAT_ONLY", 4, 1),
    ("onur", "Started a fight in the chat", "CHAT_ONLY", 2, 2),
    ("oscar", "Kept asking for private numbers", "BLOCK", 4, None),
    ("sude", None, "BLOCK", 1, 12),
    ("adam", "Sells tickets that are not his", "BLOCK", 3, 168),
    ("mia", "Spoilers", "CHAT_ONLY", 2, 3),
    ("yagmur", "Reklam", "CHAT_ONLY", 1, None),
    ("ethan", "Threatened another viewer", "BLOCK", 4, None),
    ("gokce", "Büyük harflerle yazıp durdu", "CHAT_ONLY", 2, 6),
    ("sam", "Impersonates the host", "BLOCK", 3, 720),
]


def _bans(people: Sequence[User], now: datetime) -> None:
    """Bans by the hosts on active and scheduled streams. One has an appeal, one was lifted."""
    by_name = {user.username: user for user in people}
    streams = LiveStream.objects.filter(status__in=[Status.ACTIVE, Status.SCHEDULED])
    open_now = list(streams.select_related("creator").order_by("status", "planned_start_at", "id"))

    def banned(number: int) -> LiveStreamBan:
        username, reason, kind, minutes, hours = BANS[number]
        target, made = by_name[username], now - timedelta(minutes=minutes)
        fitting = [stream for stream in open_now if target.pk not in {stream.creator_id, stream.guest_id}]
        stream = fitting[number % len(fitting)]
        return bans.services.ban_user(
            target.pk,
            stream.pk,
            by=stream.creator,
            now=made,
            action_type=kind,
            reason=reason,
            expires_at=made + timedelta(hours=hours) if hours else None,
        )

    made = [banned(number) for number in range(len(BANS))]
    appealed, sorry = made[0], made[4]
    bans.services.appeal_ban(
        appealed.pk, by=appealed.target, now=now, text="Bağlantı yayının kendi sayfasıydı, sorulduğu için yazdım."
    )
    bans.services.lift_ban(sorry.pk, by=sorry.created_by, now=now, reason="He apologised.")


LEADS = [15, None, 15, 15, None]  # minutes before the start; None: at the start


def _answer(stream: LiveStream, guest: User | None, answer: GuestStatus = GuestStatus.ACCEPTED) -> None:
    """The guest answers ten minutes after the stream was created."""
    at = stream.created_at + timedelta(minutes=10)
    if guest is not None and answer == GuestStatus.ACCEPTED:
        livestreams.services.accept_guest(stream.pk, by=guest, now=at)
    if guest is not None and answer == GuestStatus.DECLINED:
        livestreams.services.decline_guest(stream.pk, by=guest, now=at)


def _remind(stream: LiveStream, people: Sequence[User], at: datetime) -> None:
    for number, user in enumerate(people):
        if user.pk not in {stream.creator_id, stream.guest_id}:
            minute = LEADS[number % len(LEADS)]
            language = ("tr", "en")[number % 2]
            reminders.services.set_reminder(stream.pk, by=user, now=at, minute=minute, language=language)


def _notify(stream: LiveStream, at: datetime) -> None:
    """What workers do at this time: open the due rounds and notify their chunks."""
    reminders.services.open_due_rounds_of_stream(stream.pk, at)
    for round_id in Round.objects.filter(stream=stream, state=Round.State.OPEN).values_list("pk", flat=True):
        for chunk_id in reminders.services.cut_round(round_id, now=at):
            reminders.services.notify_chunk(chunk_id, now=at)


def _reminders(people: Sequence[User], now: datetime) -> None:
    """Reminders for scheduled streams; the first come due a few minutes after the demo starts."""
    coming = LiveStream.objects.filter(status=Status.SCHEDULED).order_by("planned_start_at", "id")
    by_name = {user.username: user for user in people}
    for number, stream in enumerate(coming[:12]):
        _remind(stream, [by_name["kerem"], *people[number + 20 : number + 20 + 12]], now)
