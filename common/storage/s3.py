"""Files in a bucket that is reached by the protocol S3. Imported only if the settings choose it: boto3 takes 40 MB."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from common.server.files import SECONDS_CACHED
from common.storage.files import StorageFull, StorageUnavailable, StoredFile, counted

# A request that failed so soon, for a reason that may have passed, is repeated once, after a pause. A server that hangs
# is not waited for twice.
SOON_SECONDS = 1.0
PAUSE_SECONDS = 0.2
# Connections that are kept open; more than the files that a process stores at once, for jobs and listings.
CONNECTIONS = 16
# Of Amazon, Ceph, MinIO, Backblaze and others. Their statuses differ.
FULL = frozenset(
    [
        "InsufficientStorage",
        "QuotaExceeded",
        "StorageFull",
        "StorageQuotaExceeded",
        "XMinioAdminBucketQuotaExceeded",
        "XMinioStorageFull",
        "TotalStorageCapExceeded",
        "InsufficientCapacity",
    ]
)


class BucketStorage(S3Storage):
    """django-storages' S3 storage with one client for all threads, limited waits, and single requests for all it does.

    A client is safe to share among threads, and takes a third of a second and several megabytes to make.
    `connect_seconds` limits the wait for a connection, and for the server to take the next 16 KB of a file;
    `answer_seconds` the wait for each part of an answer.
    """

    _lock = threading.Lock()
    _made_client: Any = None

    def __init__(self, *, connect_seconds: float, answer_seconds: float, **options: Any) -> None:
        super().__init__(
            **options,
            # A small file is sent in one request, so that it is there as a whole or not at all.
            client_config=Config(
                connect_timeout=connect_seconds,
                read_timeout=answer_seconds,
                retries={"total_max_attempts": 1},  # see `_asked`
                max_pool_connections=CONNECTIONS,
                signature_version="s3v4",
                s3={"addressing_style": options["addressing_style"]},
                # Other servers than Amazon's know no checksums in trailers.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    @property
    def place(self) -> str:
        where = self.endpoint_url or self.region_name
        return f"the bucket {self.bucket_name} at {where}, prefix {self.location or 'none'}"

    @property
    def _client(self) -> Any:
        with self._lock:
            if self._made_client is None:
                self._made_client = self._create_session().client(
                    "s3", region_name=self.region_name, endpoint_url=self.endpoint_url, config=self.client_config
                )
            return self._made_client

    def _place(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": self._normalize_name(clean_name(name))}

    def _asked(self, operation: str, **arguments: Any) -> Any:
        """The answer to a request. Raises FileNotFoundError, StorageFull, StorageUnavailable."""
        ask = getattr(self._client, operation)
        began = time.monotonic()
        with _refused():
            try:
                return ask(**arguments)
            except (BotoCoreError, ClientError) as error:
                if time.monotonic() - began > SOON_SECONDS or not _may_pass(error):
                    raise
            time.sleep(PAUSE_SECONDS)
            return ask(**arguments)

    def _save(self, name: str, content: "File[bytes]") -> str:
        described = self._get_write_parameters(name, content)
        self._asked("put_object", **self._place(name), Body=content.read(), **described)
        return name

    def get_object_parameters(self, name: str) -> dict[str, Any]:
        return {"CacheControl": f"public, max-age={SECONDS_CACHED}"}

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        return ContentFile(self.read(name), name)

    def read(self, name: str) -> bytes:
        body = self._asked("get_object", **self._place(name))["Body"]
        with _refused():
            content: bytes = body.read()
            return content

    def exists(self, name: str) -> bool:
        try:
            self._asked("head_object", **self._place(name))
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        self._asked("delete_object", **self._place(name))

    def move(self, old: str, new: str) -> None:
        try:
            # The server copies it. Its metadata is copied too.
            self._asked("copy_object", **self._place(new), CopySource=self._place(old))
        except FileNotFoundError:
            if not self.exists(new):
                raise
            return
        self.delete(old)

    def walk(self, folders: Iterable[str]) -> Iterator[StoredFile]:
        location = f"{self.location}/" if self.location else ""
        for folder in folders:
            asked = {"Bucket": self.bucket_name, "Prefix": f"{location}{folder}"}
            while asked:
                page = self._asked("list_objects_v2", **asked)
                for entry in page.get("Contents", ()):
                    name, modified = entry["Key"].removeprefix(location), entry["LastModified"].timestamp()
                    yield StoredFile(name, modified, entry["Size"])
                following = page.get("NextContinuationToken")
                asked = asked | {"ContinuationToken": following} if following else {}

    def url(self, name: str, *args: Any, **options: Any) -> str:
        return settings.MEDIA_URL + name


@contextmanager
def _refused() -> Iterator[None]:
    """Errors of boto3 as refusals; a missing file as FileNotFoundError."""
    try:
        yield
    except ClientError as error:
        if _is_missing(error.response):
            raise FileNotFoundError(str(error)) from error
        raise counted(StorageFull() if _is_full(error.response) else StorageUnavailable()) from error
    except BotoCoreError as error:
        raise counted(StorageUnavailable()) from error


def _may_pass(error: BotoCoreError | ClientError) -> bool:
    """Whether the same request may succeed a moment later: not if the server is full, or refuses the service."""
    if not isinstance(error, ClientError):
        return isinstance(error, HTTPClientError)  # of the connection; others are ours
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_transient = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return is_transient and not _is_full(error.response)


def _is_missing(response: Mapping[str, Any]) -> bool:
    # A HEAD has no body, and its code is the status. A missing bucket is no missing file.
    return response.get("Error", {}).get("Code") in {"NoSuchKey", "404", "NotFound"}


def _is_full(response: Mapping[str, Any]) -> bool:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status == HTTPStatus.INSUFFICIENT_STORAGE or response.get("Error", {}).get("Code") in FULL
