"""Colours of a picture are kept, for all profiles, depths and palettes of its file."""

import io
import random
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from common import pictures
from common.refusals import Invalid
from tests.colour_profiles import (
    Colour,
    cmyk,
    display_p3,
    encoded,
    grey_of_gamma,
    srgb_of_display_p3,
    srgb_of_lab,
)

pytestmark = pytest.mark.slow

SIZE = (64, 32)
LEFT, RIGHT = (12, 16), (52, 16)
RED, BLUE = (200, 60, 40), (10, 20, 200)
COLOURS = [RED, BLUE, (30, 200, 90), (120, 120, 120), (255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 0)]
P3 = display_p3()


def made(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(pictures.reencoded(io.BytesIO(content), field="p")))
    assert "icc_profile" not in picture.info
    return picture


def is_taken(content: bytes) -> bool:
    try:
        pictures.reencoded(io.BytesIO(content), field="p")
    except Invalid:
        return False
    return True


def assert_near(found: Any, expected: Any) -> None:
    assert len(found) == len(expected)
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= 2, f"{found} is not {expected}"


def file(image: Image.Image, form: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth: int, kind: int, left: bytes, right: bytes, *before: bytes, after: bytes = b"") -> bytes:
    """A PNG of SIZE whose left half has the one pixel and whose right half the other; below 8 bits, bytes of them."""
    times = 32 if depth >= 8 else 32 * depth // 8
    rows = (b"\0" + left * times + right * times) * SIZE[1]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE, depth, kind, 0, 0, 0))
    body = b"".join(before) + chunk(b"IDAT", zlib.compress(rows)) + after
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


def profile(content: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(content))


GREY, KEYED, TRUE, PALETTE, GREY_ALPHA, TRUE_ALPHA = 0, 0, 2, 3, 4, 6  # colour types of PNG
DARK, LIGHT = b"\x20\x10", b"\x80\x40"  # of 16 bits
IN_8_BITS = {DARK: 0x2010 / 257, LIGHT: 0x8040 / 257}
LINEAR = chunk(b"gAMA", struct.pack(">I", 100_000))
SRGB_GAMMA = chunk(b"gAMA", struct.pack(">I", 45_455))
SRGB = chunk(b"sRGB", b"\0")
TWO_COLOURS = chunk(b"PLTE", bytes((*RED, *BLUE)))


def grey(value: float) -> Colour:
    return round(value), round(value), round(value)


PNGS: dict[str, tuple[bytes, tuple[int, ...], tuple[int, ...]]] = {
    "grey of 16 bits": (png(16, GREY, DARK, LIGHT), grey(IN_8_BITS[DARK]), grey(IN_8_BITS[LIGHT])),
    "grey of 16 bits, white and black": (png(16, GREY, b"\0\0", b"\xff\xff"), grey(0), grey(255)),
    "grey of 16 bits with a transparent one": (
        png(16, GREY, DARK, LIGHT, chunk(b"tRNS", DARK)),
        (*grey(IN_8_BITS[DARK]), 0),
        (*grey(IN_8_BITS[LIGHT]), 255),
    ),
    "linear grey of 16 bits": (
        png(16, GREY, b"\1\0", LIGHT, LINEAR),
        grey(encoded(256 / 65535)),
        grey(encoded(0x8040 / 65535)),
    ),
    "grey of 16 bits with alpha": (
        png(16, GREY_ALPHA, DARK + b"\0\0", LIGHT + b"\xff\xff"),
        (*grey(IN_8_BITS[DARK]), 0),
        (*grey(IN_8_BITS[LIGHT]), 255),
    ),
    "grey of 16 bits with alpha and a linear profile": (
        png(16, GREY_ALPHA, LIGHT + b"\0\0", LIGHT + b"\xff\xff", profile(grey_of_gamma(1))),
        (*grey(encoded(0x8040 / 65535)), 0),
        (*grey(encoded(0x8040 / 65535)), 255),
    ),
    "colours of 16 bits": (
        png(16, TRUE, DARK * 3, LIGHT + DARK + b"\xff\xff"),
        grey(IN_8_BITS[DARK]),
        (128, 32, 255),
    ),
    "colours of 16 bits with a transparent one": (
        png(16, TRUE, DARK * 3, LIGHT * 3, chunk(b"tRNS", DARK * 3)),
        (*grey(IN_8_BITS[DARK]), 0),
        (*grey(IN_8_BITS[LIGHT]), 255),
    ),
    "colours of 16 bits with alpha": (
        png(16, TRUE_ALPHA, DARK * 3 + b"\0\0", LIGHT * 3 + b"\xff\xff"),
        (*grey(IN_8_BITS[DARK]), 0),
        (*grey(IN_8_BITS[LIGHT]), 255),
    ),
    "black and white": (png(1, GREY, b"\0", b"\xff"), grey(0), grey(255)),
    "black and white, black transparent": (
        png(1, GREY, b"\0", b"\xff", chunk(b"tRNS", b"\0\0")),
        (*grey(0), 0),
        (*grey(255), 255),
    ),
    "grey of 2 bits, one transparent": (
        png(2, GREY, b"\x55", b"\xaa", chunk(b"tRNS", b"\0\1")),
        (*grey(85), 0),
        (*grey(170), 255),
    ),
    "grey of 4 bits, one transparent": (
        png(4, GREY, b"\x55", b"\xaa", chunk(b"tRNS", b"\0\5")),
        (*grey(85), 0),
        (*grey(170), 255),
    ),
    "grey of 8 bits with alpha": (png(8, GREY_ALPHA, b"\x55\0", b"\xaa\xff"), (*grey(85), 0), (*grey(170), 255)),
    "a palette": (png(8, PALETTE, b"\0", b"\1", TWO_COLOURS), RED, BLUE),
    "a palette of 1 bit": (png(1, PALETTE, b"\0", b"\xff", TWO_COLOURS), RED, BLUE),
    "a palette with transparency": (
        png(8, PALETTE, b"\0", b"\1", TWO_COLOURS, chunk(b"tRNS", b"\x00\xff")),
        (*RED, 0),
        (*BLUE, 255),
    ),
    "a palette of Display P3": (
        png(8, PALETTE, b"\0", b"\1", profile(P3), TWO_COLOURS),
        srgb_of_display_p3(RED),
        srgb_of_display_p3(BLUE),
    ),
    "Display P3 with alpha": (
        png(8, TRUE_ALPHA, bytes((*RED, 0)), bytes((*BLUE, 255)), profile(P3)),
        (*srgb_of_display_p3(RED), 0),
        (*srgb_of_display_p3(BLUE), 255),
    ),
    "linear colours": (
        png(8, TRUE, bytes(RED), bytes(BLUE), LINEAR),
        tuple(encoded(sample / 255) for sample in RED),
        tuple(encoded(sample / 255) for sample in BLUE),
    ),
    "linear colours that say that they are sRGB": (png(8, TRUE, bytes(RED), bytes(BLUE), LINEAR, SRGB), RED, BLUE),
    "colours of about the gamma of sRGB": (png(8, TRUE, bytes(RED), bytes(BLUE), SRGB_GAMMA), RED, BLUE),
}


@pytest.mark.parametrize("name", PNGS)
def test_a_png_keeps_its_colours(name: str) -> None:
    content, left, right = PNGS[name]
    picture = made(content)
    assert picture.mode == ("RGBA" if len(left) == 4 else "RGB")
    for place, expected in ((LEFT, left), (RIGHT, right)):
        found = picture.getpixel(place)
        assert isinstance(found, tuple)
        from_ = 3 if expected[3:] == (0,) else 0  # an invisible pixel may have any colour
        assert_near(found[from_:], expected[from_:])


@pytest.mark.parametrize("colour", COLOURS, ids=str)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_display_p3_is_converted(form: str, colour: Colour) -> None:
    options: dict[str, dict[str, Any]] = {
        "PNG": {},
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
    }
    content = file(Image.new("RGB", SIZE, colour), form, icc_profile=P3, **options[form])
    as_stored = Image.open(io.BytesIO(content)).convert("RGB").getpixel(LEFT)  # a JPEG changes it a little
    assert_near(made(content).getpixel(LEFT), srgb_of_display_p3(as_stored))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_grey_with_a_profile_is_converted(form: str, gamma: float) -> None:
    for value in (10, 60, 128, 200, 255):
        content = file(Image.new("L", SIZE, value), form, icc_profile=grey_of_gamma(gamma))
        assert_near(made(content).getpixel(LEFT), grey(encoded((value / 255) ** gamma)))


def test_grey_with_a_profile_of_colours_is_converted() -> None:
    assert_near(made(file(Image.new("L", SIZE, 120), "JPEG", icc_profile=P3)).getpixel(LEFT), grey(120))


def lab_of(cyan: int, magenta: int, yellow: int, black: int) -> tuple[float, float, float]:
    """What a made-up printer's inks look like."""
    if black:
        return 0, 0, 0
    return (
        100 - 30 * cyan - 35 * magenta - 8 * yellow,
        -25 * cyan + 45 * magenta - 3 * yellow,
        -30 * cyan - 5 * magenta + 60 * yellow,
    )


@pytest.mark.parametrize("inks", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (1, 0, 1, 0), (0, 0, 0, 1)])
@pytest.mark.parametrize("progressive", [False, True])
def test_cmyk_with_a_profile_is_converted(inks: tuple[int, int, int, int], progressive: bool) -> None:
    image = Image.new("CMYK", SIZE, tuple(255 * ink for ink in inks))
    content = file(image, "JPEG", icc_profile=cmyk(lab_of), quality=95, progressive=progressive)
    assert_near(made(content).getpixel(LEFT), srgb_of_lab(lab_of(*inks)))


def test_cmyk_without_a_profile_is_not_inverted() -> None:
    for inks, expected in (((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 255), (0, 0, 0)), ((0, 0, 0, 0), (255,) * 3)):
        content = file(Image.new("CMYK", SIZE, inks), "JPEG", quality=95)
        assert_near(made(content).getpixel(LEFT), expected)


@pytest.mark.parametrize("place", ["before", "after"])
def test_pictures_with_a_palette_or_16_bits_are_rotated_upright_too(place: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    before, after = ([turned], b"") if place == "before" else ([], turned)
    for content in (
        png(8, PALETTE, b"\0", b"\1", TWO_COLOURS, *before, after=after),
        png(16, GREY, DARK, LIGHT, *before, after=after),
    ):
        assert made(content).size == (32, 64)


def test_colours_are_kept_when_the_picture_is_shrunk_and_rotated() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (3000, 2000), RED)
    image.paste(BLUE, (1500, 0, 3000, 2000))
    content = file(image, "JPEG", icc_profile=P3, exif=exif, quality=95)
    full, squares = pictures.with_squares(io.BytesIO(content), (160,), field="p", max_side=1280)
    for picture, upper, lower in (
        (Image.open(io.BytesIO(full)), (400, 200), (400, 1100)),
        (Image.open(io.BytesIO(squares[160])), (80, 20), (80, 140)),
    ):
        stored = Image.open(io.BytesIO(content)).convert("RGB")
        assert_near(picture.getpixel(upper), srgb_of_display_p3(stored.getpixel((300, 300))))  # type: ignore[arg-type]
        assert_near(picture.getpixel(lower), srgb_of_display_p3(stored.getpixel((2700, 300))))  # type: ignore[arg-type]


# --- invalid profiles -----------------------------------------------------------------------------


def test_a_profile_that_cannot_be_used_counts_as_srgb() -> None:
    chance = random.Random(7)
    noise = P3[:132] + bytes(chance.randrange(256) for _ in range(3_000))
    huge_count = P3[:128] + b"\xff\xff\xff\xff" + P3[132:]
    # An image of 2 MB; the parts of a JPEG's profile hold 64 kB each.
    large = P3 + b"\0" * 2_000_000
    for unusable in (b"x", P3[:200], noise, huge_count, grey_of_gamma(1), cmyk(lab_of), b"\0" * 500_000):
        content = file(Image.new("RGB", SIZE, RED), "JPEG", icc_profile=unusable, quality=100, subsampling=0)
        assert_near(made(content).getpixel(LEFT), RED)
    content = file(Image.new("RGB", SIZE, RED), "JPEG", icc_profile=large, quality=100, subsampling=0)
    as_stored = Image.open(io.BytesIO(content)).convert("RGB").getpixel(LEFT)
    assert_near(made(content).getpixel(LEFT), srgb_of_display_p3(as_stored))  # type: ignore[arg-type]


def test_random_changes_of_a_profile_cause_no_crash() -> None:
    """The result has any colours, or the picture is refused; there is no other exception."""
    chance = random.Random(8)
    for valid in (P3, cmyk(lab_of)):
        for _ in range(15):
            changed = bytearray(valid)
            for _change in range(chance.randrange(1, 40)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            mode = "RGB" if valid is P3 else "CMYK"
            is_taken(file(Image.new(mode, SIZE), "JPEG", icc_profile=bytes(changed)))


# --- JPEG without its end -------------------------------------------------------------------------


def photo(*, large: bool = False) -> Image.Image:
    noise = Image.effect_noise((300, 220), 60)
    image = Image.merge("RGB", [noise, noise.rotate(180), noise])
    return image.resize((3000, 2200)) if large else image


JPEGS: dict[str, bytes] = {
    "sequential": file(photo(), "JPEG", quality=60),
    "of full colours": file(photo(), "JPEG", quality=60, subsampling=0),
    "progressive": file(photo(), "JPEG", quality=60, progressive=True),
    "with restart markers": file(photo(), "JPEG", quality=60, restart_marker_blocks=3),
    "grey": file(photo().convert("L"), "JPEG", quality=60),
    "larger than what is stored": file(photo(large=True), "JPEG", quality=60),
    "flat": file(Image.new("RGB", (300, 220), RED), "JPEG", quality=60),
    "for print": file(photo().convert("CMYK"), "JPEG", quality=60),
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_that_lacks_only_its_end_marker_is_accepted(name: str) -> None:
    content = JPEGS[name]
    assert content.endswith(b"\xff\xd9")
    whole = made(content).tobytes()
    for cut in (content[:-1], content[:-2], content[:-2] + b"\0" * 40):
        assert made(cut).tobytes() == whole


@pytest.mark.parametrize("name", [name for name in JPEGS if name != "flat"])
def test_a_jpeg_whose_data_end_early_is_refused(name: str) -> None:
    content, chance = JPEGS[name], random.Random(9)
    begins = content.index(b"\xff\xda") + 20
    cuts = [len(content) - 2 - lost for lost in (1, 2, 3, 10, 100)]
    cuts += [chance.randrange(begins, len(content) - 3) for _ in range(5)]
    # Exactly between two scans, where each scan is complete.
    cuts += [at for at in range(begins, len(content)) if content[at : at + 2] in (b"\xff\xda", b"\xff\xc4")][::3]
    for cut in cuts:
        assert not is_taken(content[:cut]), f"{cut} of {len(content)} bytes"
