"""Reading answers: the data of an envelope, or an error."""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from kumanda_client.models import Failure


class Enveloped[T](Protocol):
    @property
    def data(self) -> T: ...


class Answer[T](Protocol):
    """What `sync_detailed` and `asyncio_detailed` of an operation return."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...
    @property
    def parsed(self) -> T | None: ...


class KumandaError(Exception):
    """The service refused the call.

    `code` is the stable reason (`X-Error-Code`); for an unknown code, use `status`. `errors` are sentences: the first
    one is fixed for each status, those after it are for people, in the language of the call.
    """

    def __init__(self, status: int, code: str | None, errors: Sequence[str], request_id: str | None) -> None:
        super().__init__(f"{status} {code}: {'; '.join(errors)}" if errors else f"{status} {code}")
        self.status = status
        self.code = code
        self.errors = list(errors)
        self.request_id = request_id


def data[T](answer: Answer[Failure | Enveloped[T]]) -> T:
    """The `data` of an answer. Raises KumandaError for any answer that is no success."""
    parsed = answer.parsed
    if parsed is None or isinstance(parsed, Failure):
        raise refusal(answer.status_code, answer.headers, answer.content)
    return parsed.data


def text(answer: Answer[Failure | str]) -> str:
    """The text of an answer without an envelope, such as a calendar. Raises KumandaError as `data` does."""
    if not isinstance(answer.parsed, str):
        raise refusal(answer.status_code, answer.headers, answer.content)
    return answer.parsed


def refusal(status: int, headers: Mapping[str, str], content: bytes) -> KumandaError:
    """The error of a refusal, which may come from a proxy before the service and have no envelope."""
    try:
        errors = [str(error) for error in json.loads(content)["errors"]]
    except (ValueError, KeyError, TypeError):
        errors = []
    return KumandaError(status, headers.get("X-Error-Code"), errors, headers.get("X-Request-ID"))
