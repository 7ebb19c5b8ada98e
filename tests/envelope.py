"""Assertions about responses, each of which checks the whole envelope."""

import re
from typing import Any

ERRORS = {
    400: "Validation failed",
    401: "Authentication required",
    403: "Insufficient permissions",
    404: "Resource not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Resource already exists or cannot be changed in its current state",
    412: "Precondition failed",
    413: "Payload too large",
    414: "URI too long",
    415: "Unsupported media type",
    422: "Request cannot be processed",
    429: "Too many requests",
    431: "Request header fields too large",
    500: "Internal server error",
    503: "Service unavailable",
}
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")


def _envelope(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Request-ID"]
    body: dict[str, Any] = response.json()
    assert list(body) == ["isSuccess", "statusCode", "data", "errors", "timestamp"]
    assert body["statusCode"] == status
    assert TIMESTAMP.fullmatch(body["timestamp"])
    return body


def data_of(response: Any, status: int = 200) -> Any:
    """The data of a success. Asserts the whole envelope."""
    body = _envelope(response, status)
    assert body["isSuccess"] is True
    assert body["errors"] == []
    assert "X-Error-Code" not in response.headers
    return body["data"]


def assert_refused(response: Any, status: int, code: str, *reasons: str) -> None:
    """Assert the whole envelope of an error. `reasons`, if given, are all errors after `errors[0]`."""
    body = _envelope(response, status)
    assert body["isSuccess"] is False
    assert body["data"] is None
    assert body["errors"][0] == ERRORS[status]
    assert response.headers["X-Error-Code"] == code
    if reasons:
        assert body["errors"][1:] == list(reasons)
    if status == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
    if status in {429, 503}:
        assert int(response.headers["Retry-After"]) > 0
