"""The text of the OpenAPI document: what a client's author reads before the first call."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.utils.translation import override

from common.api import HTTP_CODES, TITLES, status_of
from common.examples import give_examples
from common.refusals import Refusal, every_refusal
from common.schema import EXAMPLE_ID
from livestreams.models import LIFECYCLE, lifecycle_diagram

INTRODUCTION = """\
Kumanda is the control plane for live streaming that platforms run themselves: it schedules streams, runs
their lifecycle and tells who may do what. It carries no video.

## Servers

Choose **Development** or **Production** above the list of operations. Operations that alter data say so in
their first line; with *Production* selected they work on real data.

## Envelope

Every answer is JSON with exactly these five keys; `statusCode` equals the HTTP status.

```json
{"isSuccess": true, "statusCode": 200, "data": {}, "errors": [], "timestamp": "2026-01-15T10:30:00.000Z"}
```

Times are ISO 8601 in UTC with milliseconds. Ids are 24 lower-case
hexadecimal characters and sort by creation.

## Authentication

Log in with `POST /api/v1/auth/login`, then send `Authorization: Bearer <access token>`. Here: press
**Authorize** and paste the access token, without the word Bearer. Access tokens live for an hour;
`POST /api/v1/auth/refresh` exchanges a refresh token for a new pair, once. Where a token is optional, one
that is sent must still be valid.

## Join tokens

`POST /api/v1/live-stream/join` gives a short JWT (ES256) for media edges and chat servers: `iss` is the address of
this service, `aud` is `media`, `sub` the user, beside `stream`, `role`, `grants` and `jti`. Its public keys are at
`/.well-known/jwks.json`, a plain JWK Set without the envelope, so an edge verifies it offline. Fetch the keys again at
an unknown `kid`: a new key is there 15 seconds before it signs. An edge also follows
`GET /api/v1/live-stream/{id}/revocations`, and looks at each connect into what it learnt there.

## Errors

`data` is null. `errors[0]` is the same for a status in every language; what follows it is for people.
Programs read the reason from the header `X-Error-Code`. Where `Accept` prefers `application/problem+json` to JSON,
errors follow RFC 9457 instead. Every answer carries `X-Request-ID`, which also stands in the logs: yours, when you
send a sane one.

## Keys that nobody knows

A key in a body or a query that the operation does not know is refused with 400, with the nearest key that it knows:
`dryrun: unknown; did you mean dryRun?`. So is a query or a body where none is taken; an empty one (`{}`) is accepted
everywhere. A query parameter that takes one value must not be repeated. Calendars ignore whatever is in their query.
A multipart form sends a list as repeated parts or as JSON text in one part (`["673ac9e2c93fe18d3fdd23f1"]`).
A body must come without `Content-Encoding`.

## Languages

What follows `errors[0]` is in English or Turkish: `X-Language: en` or `tr`, or else `Accept-Language`.

## Lists

`page` and `limit` (1 to 100) choose a page; a page past the end is empty. Pages reach the first 100,000 items; one
that begins behind them is refused with `page_too_deep`. `totalItems` is exact up to 10,000. A longer list answers
10,000, with the header `X-Total-Count: at-least`. The order is total: it ends in the id. What has no value to sort
by comes last in both directions.

To read on, send the header `X-Next-Cursor` of a page as `after`, instead of `page`; that costs the same however
deep. A cursor holds the place of the last item as you read it. So nothing that stays in its place is missed or
repeated, whatever is changed, deleted or added meanwhile; an item whose own sort value changes may move from what
you have not read yet to what you have read, or back. A cursor is opaque and belongs to its list and order. `after`
also takes the id of the last item that you have. It then means the place that the item has *now*: safe in orders
whose value never changes, such as `createdAt`.
"""

HTTP_MEANINGS = {
    400: "the body is not JSON, or the request is broken in another way",
    405: "the address does not know this method; `Allow` names those that it knows",
    408: "the body did not arrive in time",
    413: "the body is larger than the operation takes",
    414: "path and query are longer than the server reads",
    415: "the operation does not read this kind of body, or the body is compressed",
    431: "the headers are larger than the server reads",
    500: "something broke on our side; the log knows more under the request's id",
}

# What properties hold in examples: by `Component.property`, or by `property` in every component.
EXAMPLES: dict[str, Any] = {
    # people
    "username": "ayse.yilmaz",
    "name": "Ayşe",
    "surname": "Yılmaz",
    "email": "ayse@example.com",
    "availabilityStatus": "available",
    "password": "correct horse battery staple",
    "accessToken": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI2NzNhIn0.c2lnbmF0dXJl",
    "refreshToken": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaWQiOiI2NzNhIn0.c2lnbmF0dXJl",
    "expiresIn": 3600,
    "refreshExpiresIn": 2592000,
    "Media.url": "https://cdn.example.com/profiles/ayse.webp",
    "Media.variants": {
        "40": "https://cdn.example.com/profiles/ayse-40.webp",
        "76": "https://cdn.example.com/profiles/ayse-76.webp",
    },
    # streams
    "title": "Akşam sohbeti",
    "liveStreamType": "solo",
    "channelName": "aksam-sohbeti-x7k2",
    "guests": [],
    "thumbnailUrl": "https://cdn.example.com/thumbnails/aksam.webp",
    "LiveStream.status": "scheduled",
    "accessType": "paid",
    "price": 49.9,
    "interest": "music",
    "durationGoal": 60,
    "motivation": "Şarkılar ve sorular",
    "LiveStream.plannedStartDate": "2026-01-16T20:00:00.000Z",
    "plannedEndDate": "2026-01-16T21:00:00.000Z",
    "plannedStartDate": "2035-01-16T20:00:00.000Z",  # in requests: the future
    "startedAt": None,
    "endedAt": None,
    "guestStatus": None,
    "LiveStream.role": "host",
    "deletedAt": None,
    "deletedBy": None,
    # who watches
    "Joined.token": "eyJhbGciOiJFUzI1NiIsImtpZCI6IjY3M2EifQ.eyJhdWQiOiJtZWRpYSJ9.c2lnbmF0dXJl",
    "Joined.role": "audience",
    "viewerCount": 128,
    "cursor": "ZzrJ4sk_4Y0_3SPxAAAAAAAAACo",
    "Revocation.until": None,
    # who is told
    "UpcomingStream.plannedStartDate": "2026-01-16T20:00:00.000Z",
    "minute": 15,
    "Reminder.mode": "BEFORE_START",
    "Reminder.scheduledFor": "2026-01-16T19:45:00.000Z",
    "Reminder.status": "SCHEDULED",
    "MyReminder.mode": "BEFORE_START",
    "MyReminder.scheduledFor": "2026-01-16T19:45:00.000Z",
    "MyReminder.status": "SCHEDULED",
    "Notification.title": "Starting soon",
    "Notification.message": "“Akşam sohbeti” starts in 15 minutes.",
    "Notification.read": False,
    "Channels.inbox": True,
    "Channels.webhook": True,
    "Channels.email": False,
    "ChooseChannelsRequest.email": False,
    "Metadata.plannedStartDate": "2026-01-16T20:00:00.000Z",
    "_id": EXAMPLE_ID,
}


def kinds() -> Iterator[type[Refusal]]:
    """Every refusal that the apps define."""
    for kind in every_refusal():
        if apps.get_containing_app_config(kind.__module__):
            yield kind


def codes() -> dict[str, tuple[int, str]]:
    """Every `X-Error-Code`, with its status and what it means."""
    found = {code: (status, HTTP_MEANINGS.get(status, "")) for status, code in HTTP_CODES.items()}
    for kind in kinds():
        # A parent comes before the children that share its code.
        if "code" in vars(kind):
            found[kind.code] = status_of(kind), str(kind.message)
    return dict(sorted(found.items(), key=lambda item: (item[1][0], item[0])))


def table(*rows: tuple[str, ...]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *body))


def codes_table() -> str:
    return table(
        ("Status", "`errors[0]`", "`X-Error-Code`", "Meaning"),
        *((str(status), TITLES[status], f"`{code}`", meaning) for code, (status, meaning) in codes().items()),
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

Where each action leads from each state. An empty cell: refused with 409, and told what is possible.

{lifecycle_table()}

The same as a diagram, in Mermaid:

```mermaid
{lifecycle_diagram()}
```

## Error codes

{codes_table()}
"""


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The last step of drf-spectacular: the text and the examples."""
    with override("en"):
        result["info"]["description"] = description()
    give_examples(result, EXAMPLES)
    return result
