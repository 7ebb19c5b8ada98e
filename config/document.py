"""The introduction and the tables of the OpenAPI document."""

import json
from typing import Any

from django.utils.translation import override

from common.api import TITLES
from common.examples import give_examples
from common.schema import codes
from config.property_texts import describe
from livestreams.diagram import lifecycle_diagram
from livestreams.models import LIFECYCLE

INTRODUCTION = """\
Kumanda is the control plane for live streaming that platforms run themselves: it schedules streams, runs
their lifecycle and decides who may do what. It carries no video.

## Servers

Choose **Development** or **Production** at the top of the playground. Operations that alter data say so in
their first line; with *Production* selected they work on real data.

## Envelope

Every answer is JSON with exactly these five keys; `statusCode` equals the HTTP status.

```json
{"isSuccess": true, "statusCode": 200, "data": {}, "errors": [], "timestamp": "2026-01-15T10:30:00.000Z"}
```

Times are ISO 8601 in UTC with milliseconds. Ids are 24 lower-case
hexadecimal characters and sort by creation.

## Authentication

Log in with `POST /api/v1/auth/login`, then send `Authorization: Bearer <access token>`. Access tokens live for an hour;
`POST /api/v1/auth/refresh` exchanges a refresh token for a new pair, once. Where a token is optional, one
that is sent must still be valid.

## Join tokens

`POST /api/v1/live-stream/join` gives a short JWT (ES256) for media edges and chat servers: `iss` is the address of
this service, `aud` is `media`, `sub` the user, beside `stream`, `role`, `grants` and `jti`. Its public keys are at
`/.well-known/jwks.json`, a plain JWK Set without the envelope, so an edge verifies it offline. Fetch the keys again at
an unknown `kid`: a new key is there 15 seconds before it signs. An edge also follows
`GET /api/v1/live-stream/{id}/revocations`, and checks each connecting user against what it has read there.

## Errors

`data` is null. `errors[0]` is fixed for each status, in every language; the entries after it are for people.
Programs read the reason from the header `X-Error-Code`; `x-error-codes` lists those of each response here. Where
`Accept` prefers `application/problem+json` to JSON, errors follow RFC 9457 instead. Every answer has the header
`X-Request-ID`, which is also in the logs. It is yours if you send a valid one.

## Rate limits

The calls of a user, and those of a network, are limited; each operation lists its limits in `x-rate-limits`. Answers
say in `RateLimit-Policy` how many calls (`q`) a window of seconds (`w`) allows, and in `RateLimit` how many remain
(`r`) until it ends in so many seconds (`t`). Above a limit a call is refused with 429 `rate_limited`: wait for
`Retry-After`. Changes are counted exactly, reads approximately. Media servers and chat servers have no limits.

## Compression

Answers from 1 KB on are compressed if `Accept-Encoding` names zstd or gzip, except those with tokens. Each form has an
`ETag` of its own; any of them may be sent back.

## Unknown keys

A key in a body or a query that the operation does not know is refused with 400, with the nearest known key:
`dryrun: unknown; did you mean dryRun?`. So is a query or a body of an operation that takes none; an empty one (`{}`)
is accepted everywhere. A query parameter that takes one value must not be repeated. Calendars ignore their query.
A multipart form sends a list as repeated parts or as JSON text in one part (`["673ac9e2c93fe18d3fdd23f1"]`).
A body must come without `Content-Encoding`.

## Conditional requests

The answer to each read has a strong `ETag`: it changes with `data`, and `timestamp` plays no part in it. Send it back
as `If-None-Match` to get 304 without a body while nothing has changed. It depends on the caller, and on the language
where the data has texts. Caches may keep reads and ask each time whether they are still current (`no-cache`); answers
to callers with a token are `private`. Errors and answers to changes are `no-store`.

To change only what you have read, send its `ETag` as `If-Match` of a `PATCH`, a `DELETE`, or a `POST` that changes the
object with this id: `POST /api/v1/live-stream/{id}/start` compares with `GET /api/v1/live-stream/{id}`, read by the
same user in the same language. If the object has changed since, the answer is 412 `precondition_failed` and nothing is
changed; 404 and 403 come first. Weak tags never match. `*` matches every version of an object that exists. A few
operations change what no read answers alone (marking a notification, undoing a bulk ban): they accept only `*`.
Operations that create something ignore the header.

## Repeating a change safely

A request whose answer was lost can be sent again with the header `Idempotency-Key`: 1 to 255 visible ASCII characters,
a new random value such as a UUID for each change. For 24 hours the same request of the same caller with the same key
gets the stored answer byte for byte, with `Idempotent-Replayed: true`, and changes nothing again. The same request: the
same method, path, query and body; the boundary of a form may differ. Another request with the key is refused with 422
`idempotency_key_reused`. While the first one is running, repeats get 409 `idempotency_key_in_use` with `Retry-After`.

Refusals that depend on the request and on the state of the service (400, 403, 404, 409) are stored, too: take a new key
to try again. Others (401, 408, 412, 413, 429, 5xx) are not stored, nothing was changed, and a repeat with the same key
may succeed. A stored answer is what the first request got: a join token in it may have expired, so take a new key for
each join. The operations of `/auth` ignore the header: a login can be repeated, `refresh` has a rule of its own, and
after a logout the caller has no session any more.

## Languages

The entries after `errors[0]` are in English or Turkish: `X-Language: en` or `tr`, or else `Accept-Language`.

## Lists

`page` and `limit` (1 to 100) choose a page; a page past the end is empty. Pages reach the first 100,000 items; a
page that begins after them is refused with `page_too_deep`. `totalItems` is exact up to 10,000. A longer list answers
10,000, with the header `X-Total-Count: at-least`. The order is total: its last key is the id. Items without a sort
value come last in both directions.

For the next page, send the header `X-Next-Cursor` of a page as `after`, instead of `page`; the cost does not
depend on the depth. A cursor contains the sort value of the last item as you read it. So no item that keeps its sort
value is missed or repeated, whatever is changed, deleted or added meanwhile. An item whose sort value changes may move
from the part that you have not read to the part that you have read, or back. A cursor is opaque and belongs to its
list and order. `after` also takes the id of the last item that you have. It then means the place that the item has
*now*, which is safe in orders whose value never changes, such as `createdAt`.

A search takes words, or parts of words, all of which must match. It reads a bounded number of items. If very many match
and none of them is near, a page may have fewer items than `limit`, or none: as long as `hasNextPage` is true, read on
with `after`. Numbered pages that the search does not reach are refused with `page_too_deep`. `totalItems` may then be
the number of items that were found on the way, with `X-Total-Count: at-least`.
"""


def table(*rows: tuple[str, ...]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *body))


def codes_table() -> str:
    return table(
        ("Status", "`errors[0]`", "`X-Error-Code`", "Meaning"),
        *((str(status), f"`{TITLES[status]}`", f"`{code}`", meaning) for code, (status, meaning) in codes().items()),
    )


def lifecycle_table() -> str:
    actions = list(dict.fromkeys(action for moves in LIFECYCLE.values() for action in moves))
    return table(
        ("In state", *(f"`{action}`" for action in actions)),
        *(
            (f"`{status}`", *(f"`{moves[action]}`" if action in moves else "" for action in actions))
            for status, moves in LIFECYCLE.items()
        ),
    )


def description() -> str:
    return f"""{INTRODUCTION}
## Life of a stream

Where each action leads from each state. An empty cell: refused with 409; the message lists what is possible.

{lifecycle_table()}

The same as a diagram, in Mermaid:

```mermaid
{lifecycle_diagram()}
```

## Error codes

{codes_table()}
"""


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the texts and the examples: a postprocessing hook of drf-spectacular."""
    # A tree of its own: parts of what was generated are shared constants.
    document: dict[str, Any] = json.loads(json.dumps(result, default=str))
    with override("en"):
        document["info"]["description"] = description()
    for tag in document["tags"]:
        tag["x-displayName"] = tag["name"]  # the name itself is an identifier, and is not translated
    describe(document)
    give_examples(document)
    return document
