"""Keeps secrets and personal data out of log lines.

A line never has: the secrets of this installation, what looks like a secret or a mail address, and what the client of
the present request has sent. Of database errors it has what PostgreSQL says of the kind of the error, not the rows.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit

import orjson
import psycopg

SECRET = "[secret]"  # noqa: S105
SENT = "[sent]"  # what the client has sent
MAIL = "[mail]"

# --- what looks like a secret ---------------------------------------------------------------------

_NAMED = r"(?:password|passwd|passphrase|secret|token|authorization|api[_-]?key|session_?id|csrf\w*|cookie)"
# Repetitions are bounded where many could begin at each character of a long text.
_PATTERNS = [
    # JSON Web Tokens, and the other tokens of an Authorization header.
    (re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*)*"), SECRET),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?!\[)[\w.~+/=-]{6,}"), rf"\1 {SECRET}"),
    # Secrets of webhooks.
    (re.compile(r"\bwhsec_[\w+/=-]*"), SECRET),
    # User and password of an address, and its query.
    (re.compile(r"(\b[a-z][\w+.-]{0,30}://)[^/\s'\"@]{0,512}@", re.IGNORECASE), rf"\1{SECRET}@"),
    (re.compile(r"(?<=[\w/])\?[\w.~%-]+=[^\s'\"<>)]*"), f"?{SECRET}"),
    # name=value, "name": "value", name: value
    (re.compile(rf"(?i)({_NAMED}s?['\"]?\s?[=:]\s?)(?:'[^']*'|\"[^\"]*\"|(?!\[)[^\s'\",;&)}}]+)"), rf"\1{SECRET}"),
    (re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), MAIL),
]


def after_prefixes(prefixes: Iterable[str]) -> tuple[re.Pattern[str], str]:
    """A pattern for the rest of each path that begins with one of `prefixes`, to the next slash."""
    return re.compile(rf"({'|'.join(map(re.escape, prefixes))})[^/\s\"'\\?]+"), rf"\1{SECRET}"


# --- the secrets of this installation -------------------------------------------------------------

SHORTEST = 6  # characters; shorter ones occur in ordinary words
_SECRET_NAME = re.compile(r"(?:KEY|SECRET|TOKEN|PASSWORD|FALLBACK|HEADER)S?$")


def secrets_of(environment: Mapping[str, str]) -> set[str]:
    """The secrets in environment variables: by their names, and the passwords, paths and queries of addresses."""
    found: set[str] = set()
    for name, value in environment.items():
        if name.endswith("_URL"):
            found.update(_secrets_of_address(value, has_secret_path=name.startswith("WEBHOOK")))
        elif _SECRET_NAME.search(name):
            found.update([value, *value.split(",")])
    return {secret for secret in found if len(secret) >= SHORTEST}


def _secrets_of_address(address: str, *, has_secret_path: bool) -> Iterator[str]:
    try:
        parts = urlsplit(address)
        password = parts.password
    except ValueError:
        return
    if password:
        yield from (password, unquote_plus(password))
    for _name, value in parse_qsl(parts.query):
        yield value
    if has_secret_path:
        yield parts.path
        yield parts.query


# --- what the client has sent ---------------------------------------------------------------------

LARGEST_BODY = 262_144  # bytes; of a larger one only the beginning is looked for
MOST_VALUES = 5_000
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_WORD = re.compile(r"[^\s\"'{}\[\],:;&=<>()]+")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMON_WORD = re.compile(r"[a-z_-]{1,16}")
_METHODS = frozenset(["DELETE", "OPTIONS"])  # the others are short
# The request id, which each line has, and headers of the connection.
_SHOWN_HEADERS = frozenset(["HTTP_X_REQUEST_ID", "HTTP_HOST", "HTTP_CONNECTION"])


def sent_values(meta: Mapping[str, Any] | None) -> set[str]:
    """What the client has sent: headers, path, query and body, whole and in parts. `meta` is the environ, if any.

    Ids of objects are no secrets, and are what an operator needs.
    """
    if meta is None:
        return set()
    values: set[str] = set()
    for name, value in meta.items():
        if name.startswith("HTTP_") and name not in _SHOWN_HEADERS:
            values.add(value)
    path, query = str(meta.get("PATH_INFO", "")), str(meta.get("QUERY_STRING", ""))
    values |= {path, query, str(meta.get("CONTENT_TYPE", "")), str(meta.get("REQUEST_METHOD", ""))} | {
        value for _, value in parse_qsl(query)
    }
    body = meta.get("wsgi.input")
    if isinstance(body, BytesIO):
        values.update(_body_values(body.getvalue()[:LARGEST_BODY]))
    words = {word for value in values for word in _words(value)}
    found = {value.strip() for value in values} | {word for word in words if not _COMMON_WORD.fullmatch(word)}
    found -= _METHODS
    long = (value for value in found if len(value) >= SHORTEST and not _OBJECT_ID.fullmatch(value))
    return set(sorted(long, key=len, reverse=True)[:MOST_VALUES])


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        for part in (word, *word.split("/")):
            yield part
            yield unquote_plus(part)


def _body_values(content: bytes) -> Iterator[str]:
    text = content.decode(errors="replace")
    yield text
    yield from text.splitlines()  # of parts of a form
    try:
        yield from _strings(orjson.loads(content))
    except orjson.JSONDecodeError:
        yield from (value for _, value in parse_qsl(text))
        yield from filter(None, map(_string, _JSON_STRING.findall(text)))  # of what is not quite JSON


def _string(quoted: str) -> str:
    try:
        return str(orjson.loads(quoted))
    except orjson.JSONDecodeError:
        return quoted[1:-1]


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for key, inner in value.items():
                yield key
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)
        case int() | float():
            yield str(value)


# --- masking --------------------------------------------------------------------------------------


_PLAIN = re.compile(r"[\w.~-]+", re.ASCII)


def variants(value: str) -> set[str]:
    """`value` as it may occur in a text: as it is, in a repr, in JSON, and in an address."""
    if _PLAIN.fullmatch(value):
        return {value}
    return {
        value,
        repr(value)[1:-1],
        orjson.dumps(value).decode()[1:-1],
        value.encode("ascii", "backslashreplace").decode(),
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
    }


def replaced(text: str, values: Iterable[str], by: str) -> str:
    """`text` with each of `values`, longest first, replaced."""
    present = {variant for value in values for variant in variants(value) if variant in text}
    for variant in sorted(present, key=len, reverse=True):
        text = text.replace(variant, by)
    return text


class Masks:
    """Masks texts. `prefixes` are the beginnings of paths that end in a secret; `secrets` those of the installation."""

    def __init__(self, prefixes: Iterable[str], secrets: Iterable[str]) -> None:
        self._patterns = [after_prefixes(prefixes), *_PATTERNS]
        self._secrets = sorted({one for secret in secrets for one in variants(secret)}, key=len, reverse=True)

    def without_secrets(self, text: str) -> str:
        """`text` without the secrets of the installation."""
        for secret in self._secrets:
            text = text.replace(secret, SECRET)
        return text

    def masked(self, text: str) -> str:
        """The same, and without what looks like a secret."""
        text = self.without_secrets(text)
        for pattern, by in self._patterns:
            text = pattern.sub(by, text)
        return text


def secrets_of_process() -> set[str]:
    return secrets_of(os.environ)


# --- errors ---------------------------------------------------------------------------------------

_DATA_EXCEPTION = "22"  # class of PostgreSQL's codes whose messages quote values
_MORE = re.compile(r"\n(?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LINE \d+):.*", re.DOTALL)


def message_of(error: BaseException) -> str:
    """The message of an error. Of a database error without rows, values and statements."""
    database = error if isinstance(error, psycopg.Error) else error.__cause__
    if not isinstance(database, psycopg.Error) or database.diag.message_primary is None:
        return _MORE.sub("", str(error))
    diagnosis = database.diag
    message = str(diagnosis.message_primary)
    if str(diagnosis.sqlstate).startswith(_DATA_EXCEPTION):
        message = re.sub(r"\".*\"", f'"{SECRET}"', message, flags=re.DOTALL)
    facts = [f"SQLSTATE {diagnosis.sqlstate}"]
    facts += [f"{name} {value}" for name in ("table", "constraint") if (value := getattr(diagnosis, f"{name}_name"))]
    return f"{message} ({', '.join(facts)})"


def errors_in(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and all that its traceback shows: causes, contexts, and the members of groups."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
