"""Replaces what differs from run to run in a recorded answer: ids, times, tokens, and random parts of names."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any
from zlib import crc32

from django.apps import apps
from django.conf import settings

from common.fields import ObjectIdKey
from common.times import wire_time
from livestreams.models import LiveStream

RECORDED_AT = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
FILES, SERVICE = "https://cdn.example.com/", "https://api.example.com"

ID = re.compile(r"\b[0-9a-f]{24}\b")
RANDOM_HEX = re.compile(r"\b[0-9a-f]{32}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CALENDAR_TIME = re.compile(r"\b\d{8}T\d{6}Z\b")
TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
PHOTO = re.compile(r"\bphotos/[\w-]{22}-")
CALENDAR_SECRET = re.compile(r"\bcalendar/[\w-]{43}\b")
# Times that lie farther away were written so by the request, and stay.
NEAR = timedelta(days=1000)
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class Replacing:
    """Replacements of one scenario, in which the clock stood at `now`.

    The rows of a table get ids in the order of their creation, the same ones in each scenario. So the users of all
    examples are the same, and ids contain the time of creation, as those of the service do.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.shift = RECORDED_AT - now
        self.unknown = 0

    @cached_property
    def ids(self) -> dict[str, str]:
        """Those of all rows, by what they are now. Read when the first id is replaced: few answers have any."""
        found = {}
        for model in apps.get_models():
            if isinstance(model._meta.pk, ObjectIdKey):
                dated = any(each.name == "created_at" for each in model._meta.concrete_fields)
                rows = model._base_manager.order_by("pk").values_list("pk", "created_at" if dated else "pk")
                for number, (pk, created) in enumerate(rows):
                    moment = created + self.shift if dated else RECORDED_AT
                    found[pk] = _example_id(model._meta.label, number, moment)
        return found

    @cached_property
    def names(self) -> dict[str, str]:
        """The names of channels, by what they are now."""
        found = {}
        for number, name in enumerate(LiveStream.all_objects.order_by("pk").values_list("channel_name", flat=True)):
            slug = name.rpartition("-")[0]
            found[name] = f"{slug}-{_letters(f'{slug}{number}', 4)}"
        return found

    def __call__(self, value: Any, key: str = "") -> Any:
        """`value` of JSON, with all that it contains replaced."""
        match value:
            case dict():
                return {name: self(each, name) for name, each in value.items()}
            case list():
                return [self(each) for each in value]
            case str() if key == "cursor":
                return base64.urlsafe_b64encode(sha256(b"cursor").digest()[:15]).decode()
            case str():
                return self.text(value)
        return value

    def text(self, text: str) -> str:
        text = TOKEN.sub(lambda found: self.token(found[0]), text)
        text = text.replace(settings.MEDIA_URL, FILES).replace(settings.PUBLIC_URL, SERVICE)
        text = ID.sub(lambda found: self.id(found[0]), text)
        text = RANDOM_HEX.sub(lambda found: sha256(b"hex").hexdigest()[:32], text)
        text = PHOTO.sub(f"photos/{_letters('photo', 22)}-", text)
        text = CALENDAR_SECRET.sub(f"calendar/{_letters('calendar', 43)}", text)
        text = TIME.sub(lambda found: wire_time(self.time(datetime.fromisoformat(found[0]))), text)
        text = CALENDAR_TIME.sub(lambda found: self.calendar_time(found[0]), text)
        for name, replaced in self.names.items():
            text = text.replace(name, replaced)
        return text

    def id(self, found: str) -> str:
        """Ids of no row are numbered as they come."""
        if found not in self.ids:
            self.ids[found] = _example_id("", self.unknown, RECORDED_AT)
            self.unknown += 1
        return self.ids[found]

    def time(self, moment: datetime) -> datetime:
        return moment + self.shift if abs(moment - self.now) < NEAR else moment

    def calendar_time(self, found: str) -> str:
        written = "%Y%m%dT%H%M%SZ"
        return self.time(datetime.strptime(found, written).replace(tzinfo=UTC)).strftime(written)

    def token(self, token: str) -> str:
        """A JWT with the claims replaced, so that its times and ids are those of the example; nobody signed it."""
        header, claims = (json.loads(_decoded(part)) for part in token.split(".")[:2])
        for name in ("iat", "exp", "nbf"):
            if name in claims:
                claims[name] = int((datetime.fromtimestamp(claims[name], UTC) + self.shift).timestamp())
        if "kid" in header:
            header["kid"] = "join-1"
        written = [_encoded(json.dumps(self(part), separators=(",", ":")).encode()) for part in (header, claims)]
        signature = sha256(".".join(written).encode()).digest() * (2 if header["alg"] == "ES256" else 1)
        return ".".join([*written, _encoded(signature)])


def _example_id(kind: str, number: int, moment: datetime) -> str:
    return f"{int(moment.timestamp()):08x}c93fe18d3f{(crc32(kind.encode()) + number) & 0xFFFFFF:06x}"


def _letters(seed: str, length: int) -> str:
    """Letters that look random, the same ones in each run."""
    digest = sha256(seed.encode()).digest() * 2
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:length])


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
