"""Headers that browsers may send to the API, and those whose values they may read."""

ALLOWED_HEADERS = [
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-language",
    "x-request-id",
]
# Every header that the API document names.
EXPOSED_HEADERS = [
    "ETag",
    "Idempotent-Replayed",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Error-Code",
    "X-Next-Cursor",
    "X-Request-ID",
    "X-Total-Count",
]
