"""Profile photos, and the processing of all uploaded pictures."""

import io
import struct
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from PIL import Image
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import services
from accounts.models import Media, User
from common import audit, pictures
from common.models import AuditEntry
from common.refusals import Invalid
from common.tasks import remove_files
from tests.races import at_once


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, form, **options)
    file.seek(0)
    return file


def picture(form: str = "PNG", size: tuple[int, int] = (300, 200), **options: Any) -> io.BytesIO:
    return encoded(Image.new("RGB", size, "teal"), form, **options)


def opened(file: str) -> Image.Image:
    with default_storage.open(file) as content:
        return Image.open(io.BytesIO(content.read()))


def stored_files(settings: Any) -> list[str]:
    return sorted(path.name for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_stored_as_webp_with_three_squares(creator: User, now: datetime, form: str) -> None:
    user = services.set_profile_photo(creator, picture(form), by=creator, now=now)

    photo = user.profile_photo
    assert photo is not None
    assert (opened(photo.file).format, opened(photo.file).size) == ("WEBP", (300, 200))
    for size in (40, 76, 160):
        square = opened(photo.variants[str(size)])
        assert (square.format, square.size) == ("WEBP", (size, size))


def test_a_large_photo_is_shrunk(creator: User, now: datetime) -> None:
    user = services.set_profile_photo(creator, picture("JPEG", (4000, 3000)), by=creator, now=now)

    assert user.profile_photo
    assert opened(user.profile_photo.file).size == (1024, 768)


def test_the_file_name_does_not_reveal_the_user(creator: User, now: datetime) -> None:
    upload = picture()
    upload.name = "../../ayse-passport.png"

    photo = services.set_profile_photo(creator, upload, by=creator, now=now).profile_photo

    assert photo is not None
    assert photo.file.startswith("photos/")
    assert "ayse" not in photo.file
    assert creator.pk not in photo.file
    assert len(Path(photo.file).stem) >= 22


def test_one_audit_row_names_the_old_and_the_new_photo(creator: User, now: datetime) -> None:
    first = services.set_profile_photo(creator, picture(), by=creator, now=now).profile_photo_id
    second = services.set_profile_photo(creator, picture(), by=None, now=now).profile_photo_id

    entries = AuditEntry.objects.order_by("id")
    assert [(entry.action, entry.before, entry.after) for entry in entries] == [
        ("set_profile_photo", {"profile_photo": None}, {"profile_photo": first}),
        ("set_profile_photo", {"profile_photo": first}, {"profile_photo": second}),
    ]
    assert [entry.actor_id for entry in entries] == [creator.pk, None]


@pytest.mark.django_db(transaction=True)
def test_the_previous_photo_is_removed_with_its_row_and_files(creator: User, now: datetime, settings: Any) -> None:
    at_once(6, lambda _: services.set_profile_photo(creator, picture(), by=creator, now=now))

    for job in ProcrastinateJob.objects.filter(task_name="common.tasks.remove_files"):
        remove_files(**job.args)
    photo = Media.objects.get()
    kept = sorted(Path(file).name for file in [photo.file, *photo.variants.values()])
    assert stored_files(settings) == kept
    assert AuditEntry.objects.count() == 6


def test_a_change_that_fails_leaves_no_file(
    creator: User, now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(audit, "record", fail)

    with pytest.raises(RuntimeError):
        services.set_profile_photo(creator, picture(), by=creator, now=now)
    assert stored_files(settings) == []
    assert not Media.objects.exists()


# --- processing of all pictures -------------------------------------------------------------------


def test_a_picture_with_an_exif_orientation_is_rotated_upright(now: datetime) -> None:
    sideways = Image.new("RGB", (100, 50), "red")
    sideways.paste("blue", (0, 0, 50, 50))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate clockwise by 90 degrees

    upright = Image.open(io.BytesIO(pictures.reencoded(encoded(sideways, "JPEG", exif=exif), field="p")))

    assert upright.size == (50, 100)
    red, _green, blue = upright.convert("RGB").getpixel((25, 10))  # type: ignore[misc]
    assert blue > 200
    assert red < 60


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_metadata_is_dropped(form: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif.get_ifd(0x8825)[2] = (41.0, 0.0, 29.0)  # where it was taken
    options: dict[str, Any] = {"xmp": b"<x>secret xmp</x>"} if form != "PNG" else {}
    file = picture(form, exif=exif, icc_profile=b"secret profile", **options)

    clean = pictures.reencoded(file, field="p")

    assert b"taken at home" not in clean
    assert b"secret" not in clean
    assert not Image.open(io.BytesIO(clean)).getexif()


def test_transparency_is_kept() -> None:
    file = encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0)))

    assert Image.open(io.BytesIO(pictures.reencoded(file, field="p"))).mode == "RGBA"


@pytest.mark.parametrize(
    ("mode", "form"),
    [("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("I;16", "PNG")],
)
def test_every_colour_mode_is_read(mode: str, form: str) -> None:
    file = encoded(Image.new(mode, (30, 20)), form)

    assert Image.open(io.BytesIO(pictures.reencoded(file, field="p"))).size == (30, 20)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "rule"),
    [
        ((5_001, 5_000), "must have at most 25000000 pixels"),
        ((12_000, 12_000), "must have at most 25000000 pixels"),
        ((12_001, 1), "must have no side longer than 12000 pixels"),
        ((1, 60_000), "must have no side longer than 12000 pixels"),
        ((60_000, 60_000), "must have no side longer than 12000 pixels"),
    ],
)
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int], rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        pictures.reencoded(io.BytesIO(png_that_claims(*size)), field="thumbnail")

    assert refused.value.reasons == [f"thumbnail: {rule}"]


NO_PICTURES = {
    "nothing": b"",
    "text": b"hello",
    "a page": b"<html><script>alert(1)</script></html>",
    "a drawing": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "a GIF": picture("GIF").getvalue(),
    "a TIFF": picture("TIFF").getvalue(),
    "only the beginning of a JPEG": picture("JPEG", (600, 600)).getvalue()[:700],
    "only the beginning of a PNG": picture("PNG", (600, 600)).getvalue()[:60],
    "only the beginning of a WebP": picture("WEBP", (600, 600)).getvalue()[:40],
    "a PNG without pixels": png_that_claims(10, 10),
}


@pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES.keys())
def test_a_file_that_is_no_picture_is_refused_by_its_content(
    creator: User, now: datetime, settings: Any, content: bytes
) -> None:
    with pytest.raises(Invalid) as refused:
        services.set_profile_photo(creator, io.BytesIO(content), by=creator, now=now)

    assert refused.value.reasons == ["profilePhoto: must be a JPEG, PNG or WebP picture"]
    assert stored_files(settings) == []
    assert not AuditEntry.objects.exists()


def test_five_megabytes_are_read_and_a_byte_more_is_refused() -> None:
    content = picture().getvalue()
    largest = 5 * 1_048_576
    full = content + b"\0" * (largest - len(content))

    assert pictures.reencoded(io.BytesIO(full), field="p")
    with pytest.raises(Invalid) as refused:
        pictures.reencoded(io.BytesIO(full + b"\0"), field="p")
    assert refused.value.reasons == ["p: must be at most 5242880 bytes"]
