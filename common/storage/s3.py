"""Files in a bucket that is reached by the protocol S3. Imported only if the settings choose it: boto3 takes 40 MB."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from common.server.files import SECONDS_CACHED
from common.storage.files import StorageFull, StorageUnavailable, StoredFile, counted

CONNECT_SECONDS = 3
READ_SECONDS = 10
ATTEMPTS = 2
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
    """

    _lock = threading.Lock()
    _made_client: Any = None

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **options,
            # A small file is sent in one request, so that it is there as a whole or not at all.
            client_config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
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

    def _save(self, name: str, content: "File[bytes]") -> str:
        described = self._get_write_parameters(name, content)
        with _refused():
            self._client.put_object(**self._place(name), Body=content.read(), **described)
        return name

    def get_object_parameters(self, name: str) -> dict[str, Any]:
        return {"CacheControl": f"public, max-age={SECONDS_CACHED}"}

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        return ContentFile(self.read(name), name)

    def read(self, name: str) -> bytes:
        with _refused():
            content: bytes = self._client.get_object(**self._place(name))["Body"].read()
            return content

    def exists(self, name: str) -> bool:
        try:
            with _refused():
                self._client.head_object(**self._place(name))
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        with _refused():
            self._client.delete_object(**self._place(name))

    def move(self, old: str, new: str) -> None:
        try:
            with _refused():
                # The server copies it. Its metadata is copied too.
                self._client.copy_object(**self._place(new), CopySource=self._place(old))
        except FileNotFoundError:
            if not self.exists(new):
                raise
            return
        self.delete(old)

    def walk(self, folders: Iterable[str]) -> Iterator[StoredFile]:
        pages = self._client.get_paginator("list_objects_v2")
        location = f"{self.location}/" if self.location else ""
        for folder in folders:
            with _refused():
                for page in pages.paginate(Bucket=self.bucket_name, Prefix=f"{location}{folder}"):
                    for entry in page.get("Contents", ()):
                        yield StoredFile(entry["Key"].removeprefix(location), entry["LastModified"].timestamp())

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


def _is_missing(response: Mapping[str, Any]) -> bool:
    # A HEAD has no body, and its code is the status. A missing bucket is no missing file.
    return response.get("Error", {}).get("Code") in {"NoSuchKey", "404", "NotFound"}


def _is_full(response: Mapping[str, Any]) -> bool:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status == HTTPStatus.INSUFFICIENT_STORAGE or response.get("Error", {}).get("Code") in FULL
