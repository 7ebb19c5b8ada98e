"""Where pictures are stored: in a folder, or in a bucket by the protocol S3. Checked when a process starts."""

import re
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.environment import env

KINDS = ("local", "s3")
# The rules of Amazon, which those of other servers include.
BUCKET = re.compile(r"(?=.{3,63}\Z)(?!.*\.\.)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])")
# Printable ASCII without spaces: others would end the header that they are part of.
KEY = re.compile(r"[!-~]{1,256}")
SECONDS = re.compile(r"[1-9]|[1-5][0-9]|60")
# The pattern of each setting that is not empty, and the rule in words.
RULES = {
    "region": (re.compile(r"[a-z0-9-]{1,32}"), "be the name of a region, such as eu-central-1"),
    "access_key": (KEY, "have visible ASCII characters only"),
    "secret_key": (KEY, "have visible ASCII characters only"),
    "prefix": (
        re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"),
        "be a path of letters, digits, dots, hyphens and underscores, with slashes only inside, such as kumanda/media",
    ),
    "addressing": (re.compile(r"auto|virtual|path"), "be one of auto, virtual, path"),
    "connect_seconds": (SECONDS, "be a whole number from 1 to 60"),
    "answer_seconds": (SECONDS, "be a whole number from 1 to 60"),
}
# Servers that know no regions accept this one.
ANY_REGION = "us-east-1"
# An upload inside a transaction must fail before the database ends the transaction, which is idle meanwhile.
CONNECT_SECONDS = 3
ANSWER_SECONDS = 6


class Bucket(NamedTuple):
    """The settings `MEDIA_STORAGE_…` but the kind, in upper case their names. Empty means unset."""

    bucket: str = ""
    endpoint_url: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = ""
    prefix: str = ""
    addressing: str = ""
    connect_seconds: str = ""
    answer_seconds: str = ""


def read_bucket() -> Bucket:
    return Bucket(
        bucket=env.str("MEDIA_STORAGE_BUCKET", default=""),
        endpoint_url=env.str("MEDIA_STORAGE_ENDPOINT_URL", default=""),
        region=env.str("MEDIA_STORAGE_REGION", default=""),
        access_key=env.str("MEDIA_STORAGE_ACCESS_KEY", default=""),
        secret_key=env.str("MEDIA_STORAGE_SECRET_KEY", default=""),
        prefix=env.str("MEDIA_STORAGE_PREFIX", default=""),
        addressing=env.str("MEDIA_STORAGE_ADDRESSING", default=""),
        connect_seconds=env.str("MEDIA_STORAGE_CONNECT_SECONDS", default=""),
        answer_seconds=env.str("MEDIA_STORAGE_ANSWER_SECONDS", default=""),
    )


def storages(kind: str, bucket: Bucket, *, media_url: str, is_media_url_set: bool) -> dict[str, Any]:
    """Django's setting STORAGES. Raises ImproperlyConfigured; its message has no secret."""
    if kind not in KINDS:
        raise ImproperlyConfigured(f"MEDIA_STORAGE_KIND must be one of {', '.join(KINDS)}.")
    if not media_url.endswith("/"):
        raise ImproperlyConfigured("MEDIA_URL must end in a slash.")
    if kind == "local":
        unused = [f"MEDIA_STORAGE_{name.upper()}" for name, value in bucket._asdict().items() if value]
        if unused:
            raise ImproperlyConfigured(f"{', '.join(unused)}: must be empty unless MEDIA_STORAGE_KIND is s3.")
        chosen: dict[str, Any] = {"BACKEND": "common.storage.local.LocalStorage"}
    else:
        _check_bucket(bucket)
        if not is_media_url_set or not _is_address(_split(media_url)):
            raise ImproperlyConfigured(
                "MEDIA_URL must be set with MEDIA_STORAGE_KIND=s3: the http or https address below which the bucket's "
                "pictures are served, such as https://media.example.com/."
            )
        chosen = {"BACKEND": "common.storage.s3.BucketStorage", "OPTIONS": _options(bucket)}
    return {"default": chosen, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


def _options(bucket: Bucket) -> dict[str, Any]:
    return {
        "bucket_name": bucket.bucket,
        "endpoint_url": bucket.endpoint_url or None,
        "region_name": bucket.region or ANY_REGION,
        "access_key": bucket.access_key or None,
        "secret_key": bucket.secret_key or None,
        "location": bucket.prefix,
        "addressing_style": bucket.addressing or "auto",
        "connect_seconds": int(bucket.connect_seconds or CONNECT_SECONDS),
        "answer_seconds": int(bucket.answer_seconds or ANSWER_SECONDS),
    }


def _check_bucket(bucket: Bucket) -> None:
    if not BUCKET.fullmatch(bucket.bucket):
        raise ImproperlyConfigured(
            "MEDIA_STORAGE_BUCKET must be the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens."
        )
    if bucket.endpoint_url and not _is_server(_split(bucket.endpoint_url)):
        raise ImproperlyConfigured(
            "MEDIA_STORAGE_ENDPOINT_URL must be an http or https address without path, user and password, such as "
            "https://s3.example.com."
        )
    if not bucket.endpoint_url and not bucket.region:
        raise ImproperlyConfigured("MEDIA_STORAGE_REGION must be set unless MEDIA_STORAGE_ENDPOINT_URL is.")
    if bool(bucket.access_key) != bool(bucket.secret_key):
        raise ImproperlyConfigured("MEDIA_STORAGE_ACCESS_KEY and MEDIA_STORAGE_SECRET_KEY must be set together.")
    for name, (pattern, rule) in RULES.items():
        if (value := getattr(bucket, name)) and not pattern.fullmatch(value):
            raise ImproperlyConfigured(f"MEDIA_STORAGE_{name.upper()} must {rule}.")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts


def _is_address(parts: SplitResult) -> bool:
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query and not parts.fragment


def _is_server(parts: SplitResult) -> bool:
    return _is_address(parts) and parts.path in ("", "/") and "@" not in parts.netloc
