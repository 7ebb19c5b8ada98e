"""Multipart bodies that are much more expensive to parse than to send. Needs only the standard library."""

from collections.abc import Callable

BOUNDARY = "b"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
SIZE = 6 * 1_048_576 - 1_000  # just below the limit of a body


def form(*parts: bytes) -> bytes:
    """A body of parts, each with headers, an empty line and content."""
    mark = b"--" + BOUNDARY.encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def form_with(picture: bytes, *, title: str = "Talk", field: str = "thumbnail") -> bytes:
    return form(
        b'Content-Disposition: form-data; name="title"\r\n\r\n' + title.encode(),
        f'Content-Disposition: form-data; name="{field}"; filename="x"\r\n\r\n'.encode() + picture,
    )


def _as_many_as_fit(headers: bytes) -> bytes:
    part = headers + b"\r\n\r\n"
    return form(*[part] * (SIZE // (len(part) + len(BOUNDARY) + 6)))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "150,000 files without a field name": lambda: _as_many_as_fit(b"Content-Disposition: a; filename=x"),
    "150,000 fields": lambda: _as_many_as_fit(b"Content-Disposition: a; name=x"),
    "100,000 files": lambda: _as_many_as_fit(b"Content-Disposition: a; name=x; filename=x"),
    "parts with hundreds of parameters": lambda: _as_many_as_fit(b"Content-Disposition: a; filename=x" + b";a" * 450),
    "parts with hundreds of headers": lambda: _as_many_as_fit(b"a:b\r\n" * 180 + b"Content-Disposition: a; filename=x"),
    "parts without headers": lambda: _as_many_as_fit(b"x" * 900),
    "nothing but boundaries": lambda: b"--b" * (SIZE // 3),
    "one part of one header": lambda: form(b"a:" + b"b" * SIZE),
    "a boundary that never comes": lambda: b"--x\r\n" * (SIZE // 5),
    "Base64 that is none": lambda: form(
        b"Content-Disposition: a; name=thumbnail; filename=x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + b"=\n " * (SIZE // 3)
    ),
}
