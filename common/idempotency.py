"""Requests that may be repeated safely: a repeat with the same `Idempotency-Key` gets the stored answer.

The change and its answer are committed in one transaction, so there is never one without the other, also when the
process is killed. An advisory lock of that transaction marks a key whose request is still running. It ends with the
transaction, and with the connection of a process that was killed.
"""

import re
import zlib
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from io import BytesIO
from typing import NamedTuple
from uuid import UUID

import orjson
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from common.api import expected_status
from common.encryption import cipher
from common.locks import AdvisoryLock
from common.models import StoredAnswer
from common.refusals import Conflict, Invalid, Unprocessable
from common.rollbacks import undone_on_rollback

HEADER = "Idempotency-Key"
META = "HTTP_IDEMPOTENCY_KEY"
REPLAYED = "Idempotent-Replayed"

LONGEST_KEY = 255
KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")
# Answers that a repeat would get in the same way. All others leave no row: a repeat of 401, 429 or 503 may succeed.
KEPT = frozenset([200, 201, 202, 204, 400, 403, 404, 409, 415, 422])
ANSWERS = "stored answers"  # the purpose of their encryption

# A picture is decoded and stored inside the transaction: longer than `common.pictures` and `common.storage` wait and
# work at most.
SECONDS_FOR_PICTURES = 60

RUNNING = AdvisoryLock("idempotency key")


class KeyInUse(Conflict):
    code = "idempotency_key_in_use"
    message = _("the first request with this Idempotency-Key is still running; try again shortly")
    retry_after = 1


class KeyReused(Unprocessable):
    code = "idempotency_key_reused"
    message = _("this Idempotency-Key was sent with another method, path, query or body; take a new one")


class KeyedRequest(NamedTuple):
    """`key` is a digest of the caller and the key, `fingerprint` one of method, path, query and body."""

    key: UUID
    fingerprint: bytes
    is_form: bool


def keyed_request(request: HttpRequest, *, caller: str) -> KeyedRequest:
    """Read the key and the body, which can be read again afterwards. Raises Invalid for a malformed key."""
    key: str = request.META[META]
    if not KEY.fullmatch(key):
        raise Invalid(HEADER, _("must have 1 to 255 visible ASCII characters"))
    digest = blake2b(f"{caller} {key}".encode(), digest_size=16).digest()
    boundary = (request.content_params or {}).get("boundary", "")
    return KeyedRequest(UUID(bytes=digest), _fingerprint(request, boundary), is_form=bool(boundary))


def _fingerprint(request: HttpRequest, boundary: str) -> bytes:
    target = repr((request.method, request.path_info, request.META.get("QUERY_STRING", "")))
    # Not `request.body`, which refuses forms above DATA_UPLOAD_MAX_MEMORY_SIZE.
    body: bytes = request._stream.read()
    request._stream = BytesIO(body)
    # Clients that build a form again choose another boundary. The form is the same.
    if boundary:
        body = body.replace(b"--" + boundary.encode(errors="replace"), b"--")
    return blake2b(target.encode() + b"\n" + body, digest_size=32).digest()


def is_kept(error: Exception) -> bool:
    """Whether a repeat of a request that failed with `error` gets the same answer."""
    return expected_status(error) in KEPT and not hasattr(error, "retry_after")


def answer_once(sent: KeyedRequest, answer: Callable[[], HttpResponse], *, now: datetime) -> HttpResponse:
    """The stored answer of this request, or that of `answer`, which runs and is stored in one transaction.

    What `answer` raises ends the transaction and is not stored. Raises KeyInUse, and KeyReused when the stored answer
    belongs to another request.
    """
    with undone_on_rollback(), transaction.atomic():
        if not RUNNING.try_take(str(sent.key)):
            raise KeyInUse
        if stored := _stored(sent, now):
            return stored
        if sent.is_form:
            _allow_idle_seconds(SECONDS_FOR_PICTURES)
        response = answer()
        if response.status_code in KEPT:
            _store(sent, response, now)
    return response


def _allow_idle_seconds(seconds: int) -> None:
    """Extend the time limit of idle transactions for this one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [f"{seconds}s"])


def _stored(sent: KeyedRequest, now: datetime) -> HttpResponse | None:
    row = StoredAnswer.objects.filter(key=sent.key, expires_at__gt=now).values_list("fingerprint", "answer").first()
    if row is None:
        return None
    fingerprint, answer = map(bytes, row)
    if fingerprint != sent.fingerprint:
        raise KeyReused
    try:
        written = zlib.decompress(cipher(ANSWERS).decrypt(answer))
    except InvalidToken as error:  # SECRET_KEY was changed since
        raise KeyReused(_("the answer to this Idempotency-Key cannot be read any more; take a new one")) from error
    head, _newline, body = written.partition(b"\n")
    status, headers = orjson.loads(head)
    return HttpResponse(body, status=status, headers=headers | {REPLAYED: "true"})


def _store(sent: KeyedRequest, response: HttpResponse, now: datetime) -> None:
    head = orjson.dumps([response.status_code, dict(response.items())])
    # Encrypted, because an answer may contain a token.
    answer = cipher(ANSWERS).encrypt(zlib.compress(head + b"\n" + response.content, level=1))
    row = StoredAnswer(sent.key, sent.fingerprint, answer, now + settings.IDEMPOTENCY_LIFETIME)
    # An expired row with this key is replaced.
    replaced = ["fingerprint", "answer", "expires_at"]
    StoredAnswer.objects.bulk_create([row], update_conflicts=True, unique_fields=["key"], update_fields=replaced)
