"""Reading a list to its end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, Protocol, cast

from kumanda_client.answers import Answer, Enveloped, data
from kumanda_client.models import Failure

NEXT_CURSOR = "X-Next-Cursor"


class Page[T](Protocol):
    @property
    def list_(self) -> Sequence[T]: ...


type ListAnswer[T] = Answer[Failure | Enveloped[Page[T]]]


def items[T, **P](operation: Callable[P, ListAnswer[T]], *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
    """All items of a list, page by page: `items(list_live_stream_v1.sync_detailed, client=kumanda, status=["active"])`.

    Begins after `after`, if it is given. No item that keeps its sort value is missed or repeated, whatever changes
    meanwhile.
    """
    call = cast("Callable[..., ListAnswer[T]]", operation)
    asked: dict[str, Any] = kwargs
    while True:
        answer = call(*args, **asked)
        yield from data(answer).list_
        cursor = answer.headers.get(NEXT_CURSOR)
        if cursor is None:
            return
        asked = asked | {"after": cursor}


async def items_async[T, **P](
    operation: Callable[P, Awaitable[ListAnswer[T]]], *args: P.args, **kwargs: P.kwargs
) -> AsyncIterator[T]:
    """The same for asyncio: `items_async(list_live_stream_v1.asyncio_detailed, client=kumanda)`."""
    call = cast("Callable[..., Awaitable[ListAnswer[T]]]", operation)
    asked: dict[str, Any] = kwargs
    while True:
        answer = await call(*args, **asked)
        for item in data(answer).list_:
            yield item
        cursor = answer.headers.get(NEXT_CURSOR)
        if cursor is None:
            return
        asked = asked | {"after": cursor}
