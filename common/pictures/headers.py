"""Reads the headers of a picture without decoding it.

Pillow is not used in the server's process: its WebP reader allocates the whole canvas when a file is opened, and its
PNG reader decompresses text chunks. The values are only used to refuse a picture. The decoder reads the size again
and compares it (`program.py`).
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from common.refusals import Text

# Phone cameras produce 12 to 24 million pixels by default; a decoded pixel needs up to 16 bytes.
LARGEST_PIXELS = 25_000_000
LONGEST_SIDE = 12_000
# Encoders write 1 to 20 scans. A decoder processes all pixels for each scan, even for one without data.
MOST_SCANS = 50
MOST_FRAMES = 250  # only the first is shown, but a decoder reads the headers of all
# Segments or chunks of a file; each takes about a microsecond. Encoders write IDAT chunks of 4 kB and more.
MOST_PARTS = 20_000


class Unfit(Exception):
    """The picture must not be decoded; `rule` is the reason."""

    def __init__(self, rule: Text) -> None:
        self.rule = rule
        super().__init__(rule)


class Damaged(Unfit):
    def __init__(self) -> None:
        super().__init__(_("must be a JPEG, PNG or WebP picture"))


@dataclass(frozen=True)
class Header:
    format: str  # as Pillow names it
    width: int
    height: int
    scans: int = 1
    frames: int = 1
    has_all_scans: bool = True  # of a JPEG: whether its scans hold every coefficient to its last bit


def checked_header(content: bytes) -> Header:
    """Raises Unfit when the content is no JPEG, PNG or WebP, or when decoding it would cost too much."""
    try:
        header = _read(content)
    except struct.error as error:
        raise Damaged from error
    if not header.width or not header.height:
        raise Damaged
    if max(header.width, header.height) > LONGEST_SIDE:
        raise Unfit(_("must have no side longer than %(limit)d pixels") % {"limit": LONGEST_SIDE})
    if header.width * header.height > LARGEST_PIXELS:
        raise Unfit(_("must have at most %(limit)d pixels") % {"limit": LARGEST_PIXELS})
    if header.scans > MOST_SCANS:
        raise Unfit(_("must have at most %(limit)d scans") % {"limit": MOST_SCANS})
    if header.frames > MOST_FRAMES:
        raise Unfit(_("must have at most %(limit)d frames") % {"limit": MOST_FRAMES})
    return header


def _read(content: bytes) -> Header:
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _webp(content)
    raise Damaged


# --- JPEG: ITU T.81, annex B ----------------------------------------------------------------------

# In coded data 0xFF is followed by 0 or is a restart marker (D0 to D7); repeated, it is padding.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_ALL_COEFFICIENTS = (1 << 64) - 1
_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(content: bytes) -> Header:
    sizes, scans = [], 0
    components = b""
    held: dict[int, int] = {}  # by component: a bit for each coefficient
    for marker, at in _segments(content):
        if marker in _FRAME_HEADERS:
            *size, count = struct.unpack_from(">HHB", content, at + 3)
            sizes.append(size)
            components = content[at + 8 : at + 8 + 3 * count : 3]
        elif marker == _START_OF_SCAN:
            scans += 1
            for component, coefficients in _scan(content, at):
                held[component] = held.get(component, 0) | coefficients
    if len(sizes) != 1:
        raise Damaged
    ((height, width),) = sizes
    has_all_scans = all(held.get(component) == _ALL_COEFFICIENTS for component in components)
    return Header("JPEG", width, height, scans=scans, has_all_scans=has_all_scans)


def _scan(content: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Each component of a scan, and a bit for each coefficient of which the scan has the last bit (B.2.3)."""
    count = content[at + 2] if at + 2 < len(content) else 0
    first, last, approximation = struct.unpack_from("3B", content, at + 3 + 2 * count)
    is_final = not approximation & 0xF and first <= last <= 63
    for component in content[at + 3 : at + 3 + 2 * count : 2]:
        yield component, (2 << last) - (1 << first) if is_final else 0


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Each marker up to the end of the picture, and where its segment begins."""
    at = 0
    for _number in range(MOST_PARTS):
        found = _MARKER.search(content, at)
        if found is None:
            return
        marker, at = content[found.start() + 1], found.end()
        if marker == _END_OF_IMAGE:
            return
        # What is below 0xC0 has no segment, or is reserved and skipped by decoders without one.
        if marker >= 0xC0 and marker != _START_OF_IMAGE:
            yield marker, at
            (length,) = struct.unpack_from(">H", content, at)  # of itself too
            if length < 2:
                raise Damaged
            at += length
    raise Damaged


# --- PNG: W3C Portable Network Graphics, third edition --------------------------------------------


def _png(content: bytes) -> Header:
    kinds: dict[bytes, int] = {}
    declared = 1
    at = 8
    for _number in range(MOST_PARTS):
        if at + 8 > len(content):
            break
        length, kind = struct.unpack_from(">I4s", content, at)
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind == b"acTL":
            declared = struct.unpack_from(">I", content, at + 8)[0]
        if kind == b"IEND":
            break
        at += 12 + length
    else:
        raise Damaged
    # Some decoders use a second IHDR. None accepts an IHDR that is not the first chunk.
    if content[12:16] != b"IHDR" or kinds.get(b"IHDR") != 1 or b"IDAT" not in kinds:
        raise Damaged
    width, height = struct.unpack_from(">II", content, 16)
    return Header("PNG", width, height, frames=max(declared, kinds.get(b"fcTL", 0)))


# --- WebP: RFC 9649 -------------------------------------------------------------------------------


def _webp(content: bytes) -> Header:
    widths, heights, frames = [0], [0], 0
    for kind, at in _chunks(content):
        if kind == b"ANMF":
            frames += 1
        if size := _webp_size(content, kind, at):
            widths.append(size[0])
            heights.append(size[1])
    return Header("WEBP", max(widths), max(heights), frames=max(frames, 1))


def _chunks(content: bytes) -> Iterator[tuple[bytes, int]]:
    """The kind of each chunk, those inside animation frames included, and where its payload begins."""
    at = 12
    for _number in range(MOST_PARTS):
        if at + 8 > len(content):
            return
        kind, length = struct.unpack_from("<4sI", content, at)
        yield kind, at + 8
        # A frame is 16 bytes and then chunks of its own.
        at += 8 + (16 if kind == b"ANMF" else length + (length & 1))
    raise Damaged


def _webp_size(content: bytes, kind: bytes, at: int) -> tuple[int, int] | None:
    """Of the canvas (VP8X), of a frame (ANMF), or of coded pixels (VP8, VP8L)."""
    if kind in (b"VP8X", b"ANMF"):
        begin = at + (4 if kind == b"VP8X" else 6)
        width, height = (int.from_bytes(content[from_ : from_ + 3], "little") + 1 for from_ in (begin, begin + 3))
        return width, height
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, at + 6)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", content, at + 1)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None
