"""Pictures that are much more expensive to decode than to send. Needs only Pillow, so that scripts can use it too."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator

from PIL import Image

JPEG_END = b"\xff\xd9"


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


# --- WebP -----------------------------------------------------------------------------------------


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) & 1)


def _riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _one_colour(width: int, height: int) -> bytes:
    """A lossless bit stream (RFC 9649) in which each of the five codes has one symbol, so that pixels take no bits."""
    size = (width - 1) | (height - 1) << 14 | 1 << 28  # with alpha, version 0
    bits = [0, 0, 0]  # no transform, no colour cache, no meta prefix codes
    for _code in range(5):
        bits += [1, 0, 0, 0]  # a simple code of one symbol, written in one bit: 0
    packed = sum(bit << at for at, bit in enumerate(bits)).to_bytes(len(bits) // 8 + 1, "little")
    return b"\x2f" + struct.pack("<I", size) + packed


def huge_webp(width: int = 16_383, height: int = 3_050) -> bytes:
    """A few dozen bytes that decode to `width` × `height` transparent pixels."""
    file = _riff(_chunk(b"VP8L", _one_colour(width, height)))
    return file + b"\0" * max(0, 38 - len(file))


def huge_canvas_webp(side: int = 16_384) -> bytes:
    """A still picture of 1 × 1 on a canvas of `side` × `side`."""
    canvas = struct.pack("<I", 0) + (side - 1).to_bytes(3, "little") * 2
    return _riff(_chunk(b"VP8X", canvas), _chunk(b"VP8L", _one_colour(1, 1)))


def animated_webp(frames: int = 5_000, side: int = 4_096) -> bytes:
    """`frames` frames of one colour on a canvas of `side` × `side`."""
    size = (side - 1).to_bytes(3, "little") * 2
    frame = b"\0" * 6 + size + b"\x01\0\0\0" + _chunk(b"VP8L", _one_colour(side, side))
    animation = _chunk(b"VP8X", struct.pack("<I", 0x02) + size) + _chunk(b"ANIM", b"\0" * 6)
    return _riff(animation, _chunk(b"ANMF", frame) * frames)


# --- JPEG -----------------------------------------------------------------------------------------


def _progressive(width: int, height: int) -> bytes:
    return _encoded(Image.new("L", (width, height)), "JPEG", progressive=True, quality=10)


def many_scans_jpeg(scans: int = 4_000, width: int = 5_000, height: int = 5_000) -> bytes:
    """A progressive JPEG with `scans` further scans that have no data: each makes the decoder visit all pixels."""
    # Coefficients 1 to 63 of the first component, all bits at once.
    empty = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 63, 0)
    return _progressive(width, height).removesuffix(JPEG_END) + empty * scans + JPEG_END


def huge_jpeg(width: int = 60_000, height: int = 60_000) -> bytes:
    """A JPEG whose header claims `width` × `height`."""
    file = bytearray(_progressive(16, 16))
    at = file.index(b"\xff\xc2")
    struct.pack_into(">HH", file, at + 5, height, width)
    return bytes(file)


def two_sizes_jpeg() -> bytes:
    """A small frame header and, after it, a large one."""
    file = _progressive(16, 16)
    at = file.index(b"\xff\xc2")
    (length,) = struct.unpack_from(">H", file, at + 2)
    second = bytearray(file[at : at + 2 + length])
    struct.pack_into(">HH", second, 5, 10_000, 10_000)
    return file[: at + 2 + length] + bytes(second) + file[at + 2 + length :]


def many_segments_jpeg(segments: int = 1_200_000) -> bytes:
    return b"\xff\xd8" + b"\xff\xe0\x00\x02" * segments + _progressive(16, 16)[2:]


def _with_app_segments(kind: bytes, payload: bytes, times: int) -> bytes:
    segment = kind + struct.pack(">H", len(payload) + 2) + payload
    return b"\xff\xd8" + segment * times + _progressive(16, 16)[2:]


def exif_loop_jpeg() -> bytes:
    """EXIF whose directory points at itself and whose entries claim gigabytes."""
    entries = [(0x0112, 3, 1, 6), (0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0x010E, 2, 0xFFFFFFFF, 8)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 8)
    return _with_app_segments(b"\xff\xe1", exif, 1)


def colour_profile_jpeg(megabytes: int = 4) -> bytes:
    """A colour profile of some megabytes in the maximum number of parts, each marked as the first."""
    part = b"ICC_PROFILE\0\x01\xff" + b"\0" * 65_000
    return _with_app_segments(b"\xff\xe2", part, megabytes * 16)


# --- PNG ------------------------------------------------------------------------------------------


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *before: bytes, rows: bytes, after: tuple[bytes, ...] = ()) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [_png_chunk(b"IHDR", header), *before, _png_chunk(b"IDAT", rows), *after, _png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    block = b"\0" * 1_048_576
    return b"".join(packer.compress(block[: min(len(block), size - at)]) for at in range(0, size, len(block))) + (
        packer.flush()
    )


def huge_png(side: int = 12_000) -> bytes:
    """Zeros, which zlib compresses by a factor of a thousand."""
    return _png(side, side, rows=_zeros(side * (1 + 3 * side)))


def small_png(*before: bytes, after: tuple[bytes, ...] = ()) -> bytes:
    return _png(16, 16, *before, rows=_zeros(16 * 49), after=after)


def two_sizes_png() -> bytes:
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    return small_png(_png_chunk(b"IHDR", header))


def packed_profile_png(size: int = 1_000_000_000) -> bytes:
    return small_png(_png_chunk(b"iCCP", b"x\0\0" + _zeros(size)))


def packed_texts_png(kind: bytes = b"zTXt", texts: int = 4_000, size: int = 1_000_000) -> bytes:
    """Texts of a megabyte, each compressed to a thousand bytes."""
    between = b"\0\0" if kind == b"zTXt" else b"\0\x01\0\0\0"
    text = _png_chunk(kind, b"x" + between + _zeros(size))
    return small_png(text * texts)


def many_chunks_png(chunks: int = 400_000) -> bytes:
    return small_png(_png_chunk(b"abCd", b"") * chunks)


def animated_png(frames: int = 5_000) -> bytes:
    rows = _zeros(16 * 49)
    control = struct.pack(">IIIIHHBB", 16, 16, 0, 0, 1, 1, 0, 0)
    first = _png_chunk(b"acTL", struct.pack(">II", frames, 0)) + _png_chunk(b"fcTL", struct.pack(">I", 0) + control)
    others = b"".join(
        _png_chunk(b"fcTL", struct.pack(">I", 2 * number - 1) + control)
        + _png_chunk(b"fdAT", struct.pack(">I", 2 * number) + rows)
        for number in range(1, frames)
    )
    return small_png(first, after=(others,))


# --- all ------------------------------------------------------------------------------------------

# Functions by name. Each returns a file below 5 MB that must be refused.
HOSTILE: dict[str, Callable[[], bytes]] = {
    "a WebP of 38 bytes and 50 million pixels": huge_webp,
    "a WebP with a canvas of 268 million pixels": huge_canvas_webp,
    "a WebP of 5,000 frames": animated_webp,
    "a JPEG of 4,000 empty scans": many_scans_jpeg,
    "a JPEG that claims 3.6 thousand million pixels": huge_jpeg,
    "a JPEG of two sizes": two_sizes_jpeg,
    "a JPEG of a million segments": many_segments_jpeg,
    "a PNG of zeros of 144 million pixels": huge_png,
    "a PNG of two sizes": two_sizes_png,
    "a PNG of thousands of packed texts": packed_texts_png,
    "a PNG of thousands of packed international texts": lambda: packed_texts_png(b"iTXt"),
    "a PNG of 400,000 chunks": many_chunks_png,
    "a PNG of 5,000 frames": animated_png,
}

# Valid pictures that are cheap as long as their metadata is not decompressed. Any response is right if it is fast.
ODD: dict[str, Callable[[], bytes]] = {
    "a JPEG whose EXIF points at itself": exif_loop_jpeg,
    "a JPEG with a colour profile of megabytes": colour_profile_jpeg,
    "a PNG with a colour profile that unpacks to a gigabyte": packed_profile_png,
}


def at_the_limits() -> Iterator[tuple[str, bytes]]:
    """The most expensive files that pass the checks of headers."""
    yield "a WebP of 25 million pixels", huge_webp(5_000, 5_000)
    yield "a WebP of 250 frames of 25 million pixels", animated_webp(250, 5_000)
    yield "a JPEG of 25 million pixels and 49 scans", many_scans_jpeg(43)
    yield "a PNG of 25 million pixels", huge_png(5_000)
