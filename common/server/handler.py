"""The WSGI handler: a header that Django refuses before middleware runs must not cause an empty 500."""

from typing import Any

from django.core.exceptions import BadRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

UNREADABLE = "unreadable"  # a media type that no parser accepts


class LenientRequest(WSGIRequest):
    """Django parses Content-Type in the constructor, where exceptions are not converted to answers.

    A value that cannot be parsed (longer than 10,000 characters, an unknown charset in a parameter) is replaced by a
    type that no parser accepts. So a call with a body is answered with 415, and one without a body works.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]  # not in the stubs
        except BadRequest:
            self.content_type, self.content_params = UNREADABLE, {}


class LenientHandler(WSGIHandler):
    request_class = LenientRequest
