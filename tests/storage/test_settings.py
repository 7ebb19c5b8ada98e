"""The settings MEDIA_STORAGE_…: an invalid value is an error that names the setting and the rule."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.media import Bucket, storages
from tests.patience import PATIENCE

GOOD = Bucket(bucket="pictures", region="eu-central-1", access_key="key", secret_key="very-secret")
URL = "https://media.example.com/"


def checked(kind: str = "s3", url: str = URL, is_set: bool = True, **changes: str) -> dict[str, Any]:
    return storages(kind, GOOD._replace(**changes), media_url=url, is_media_url_set=is_set)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "S3"}, "MEDIA_STORAGE_KIND must be one of local, s3."),
        ({"kind": "local"}, "MEDIA_STORAGE_BUCKET, MEDIA_STORAGE_REGION, MEDIA_STORAGE_ACCESS_KEY, "),
        ({"url": "https://media.example.com"}, "MEDIA_URL must end in a slash."),
        ({"url": "/media/"}, "MEDIA_URL must be set with MEDIA_STORAGE_KIND=s3: the http or https address"),
        ({"is_set": False}, "MEDIA_URL must be set with MEDIA_STORAGE_KIND=s3"),
        ({"url": "https://media.example.com/?a=/"}, "MEDIA_URL must be set with MEDIA_STORAGE_KIND=s3"),
        *(
            ({"bucket": name}, "MEDIA_STORAGE_BUCKET must be the name of a bucket: 3 to 63")
            for name in ("", "ab", "x" * 64, "Pictures", "pic_tures", "-pictures", "pictures.", "a..b", "pictures\n")
        ),
        *(
            ({"endpoint_url": url}, "MEDIA_STORAGE_ENDPOINT_URL must be an http or https address without path")
            for url in (
                "s3.example.com",
                "ftp://s3",
                "https://",
                "https://s3/x",
                "https://a:b@s3",
                "https://s3:x",
                "http://s3?a",
            )
        ),
        ({"region": ""}, "MEDIA_STORAGE_REGION must be set unless MEDIA_STORAGE_ENDPOINT_URL is."),
        ({"region": "EU west"}, "MEDIA_STORAGE_REGION must be the name of a region"),
        ({"access_key": ""}, "MEDIA_STORAGE_ACCESS_KEY and MEDIA_STORAGE_SECRET_KEY must be set together."),
        ({"secret_key": ""}, "MEDIA_STORAGE_ACCESS_KEY and MEDIA_STORAGE_SECRET_KEY must be set together."),
        ({"secret_key": "very secret"}, "MEDIA_STORAGE_SECRET_KEY must have visible ASCII characters only."),
        *(
            ({"prefix": path}, "MEDIA_STORAGE_PREFIX must be a path of letters")
            for path in ("/media", "media/", "a//b", "../a", "a/../b", "a b", ".hidden")
        ),
        ({"addressing": "host"}, "MEDIA_STORAGE_ADDRESSING must be one of auto, virtual, path."),
        *(
            ({name: seconds}, f"MEDIA_STORAGE_{name.upper()} must be a whole number from 1 to 60.")
            for name in ("connect_seconds", "answer_seconds")
            for seconds in ("0", "1.5", "61", "-1", "x")
        ),
    ],
)
def test_an_invalid_value_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        checked(**changes)

    assert str(refused.value).startswith(message)
    assert "very" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"access_key": "", "secret_key": ""},
        {"region": "", "endpoint_url": "http://127.0.0.1:9000"},
        {"endpoint_url": "https://s3.example.com/", "prefix": "kumanda/media", "addressing": "path"},
        {"bucket": "pictures.example.com", "url": "http://media/below/"},
        {"connect_seconds": "1", "answer_seconds": "60"},
    ],
)
def test_a_valid_value_is_accepted(changes: dict[str, Any]) -> None:
    assert checked(**changes)["default"]["BACKEND"] == "common.storage.s3.BucketStorage"


def test_without_settings_pictures_are_in_a_folder() -> None:
    chosen = storages("local", Bucket(), media_url="/media/", is_media_url_set=False)

    assert chosen["default"] == {"BACKEND": "common.storage.local.LocalStorage"}


def started(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(set_prefix=False); {code}"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_process_with_an_invalid_value_does_not_start() -> None:
    finished = started("print('started')", MEDIA_STORAGE_KIND="s3", MEDIA_STORAGE_BUCKET="No")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert "MEDIA_STORAGE_BUCKET must be the name of a bucket" in finished.stderr


def test_a_process_that_uses_a_folder_does_not_load_boto3() -> None:
    code = (
        "import sys, config.urls, common.server.application; from common.storage import storage;"
        "print(storage().place, sorted({'boto3', 'botocore', 'storages', 's3transfer'} & {*sys.modules}))"
    )
    finished = started(code, MEDIA_STORAGE_KIND="")

    assert finished.stdout.splitlines()[-1] == "a folder []", finished.stderr
