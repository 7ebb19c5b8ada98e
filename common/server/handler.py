"""The WSGI handler: headers that Django refuses before any of our code is asked must not end as an empty 500."""

from typing import Any

from django.core.exceptions import BadRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

UNREADABLE = "unreadable"  # no media type that any parser takes


class LenientRequest(WSGIRequest):
    """Django reads Content-Type in the constructor, outside of what turns exceptions into answers.

    One that cannot be read (longer than 10,000 characters, an unknown charset in a parameter) becomes a type that
    nothing takes: a call with a body is answered with 415, and one without does not care.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]  # not in the stubs
        except BadRequest:
            self.content_type, self.content_params = UNREADABLE, {}


class LenientHandler(WSGIHandler):
    request_class = LenientRequest
