"""Serves uploaded files. They are untrusted, so the headers keep browsers from executing anything in them."""

import mimetypes
import os
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple

from django.utils.http import parse_http_date_safe

from common import etags

SECONDS_CACHED = 86_400
HEADERS = {
    "Cache-Control": f"public, max-age={SECONDS_CACHED}",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


class StoredFile(NamedTuple):
    path: str
    headers: dict[str, str]

    def is_known(self, request: Mapping[str, str]) -> bool:
        """Whether the client has this version already; `request` is an environ."""
        if "HTTP_IF_NONE_MATCH" in request:
            return etags.is_known(request["HTTP_IF_NONE_MATCH"], self.headers["ETag"])
        since = parse_http_date_safe(request.get("HTTP_IF_MODIFIED_SINCE", ""))
        modified = parse_http_date_safe(self.headers["Last-Modified"])
        return since is not None and modified is not None and modified <= since


class StoredFiles:
    """The regular files below `root`, by their relative names."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)

    def find(self, name: str) -> StoredFile | None:
        """None if there is no such file, or the name leads out of the folder or through a hidden one."""
        if "\0" in name or any(not part or part[0] == "." for part in name.split("/")):
            return None
        path = os.path.realpath(os.path.join(self._root, name))  # noqa: PTH118 - pathlib takes four times as long
        if not path.startswith(self._root + os.sep) or not os.path.isfile(path):  # noqa: PTH113
            return None
        found = os.stat(path)  # noqa: PTH116
        headers = HEADERS | {
            "Content-Length": str(found.st_size),
            "Content-Type": mimetypes.guess_type(path)[0] or "application/octet-stream",
            "Last-Modified": formatdate(found.st_mtime, usegmt=True),
            "ETag": f'"{found.st_mtime_ns:x}-{found.st_size:x}"',
        }
        return StoredFile(path, headers)
