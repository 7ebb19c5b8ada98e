"""Decodes one picture and encodes it again, in a process with limited resources. Run by `process.py`.

Imports only Pillow and the standard library, so that it starts in about 70 ms. The file is read from standard input.
For each output, its length (4 bytes, big-endian) and a WebP file are written to standard output.
"""

import ctypes
import hashlib
import io
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

# Exit codes, beside 0; `process.py` has the same.
DAMAGED = 65
TOO_MUCH_MEMORY = 66

PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def main() -> int:
    order = json.loads(sys.argv[1])
    _confine(order)
    sys.path.insert(0, order["packages"])
    # Imported after the path is known and the limits are set. With these plugins imported, Pillow loads no others.
    from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401, PLC0415

    Image.MAX_IMAGE_PIXELS = None  # the server has checked the size, with a lower limit
    content = sys.stdin.buffer.read()
    try:
        outputs = _outputs(content, order)
    except MemoryError:
        return TOO_MUCH_MEMORY
    except Exception:  # Decoders raise many kinds of exceptions for damaged files.
        return DAMAGED
    for output in outputs:
        sys.stdout.buffer.write(struct.pack(">I", len(output)) + output)
    sys.stdout.buffer.flush()
    return 0


def _confine(order: dict[str, Any]) -> None:
    """Lower the priority, limit CPU and memory, forbid writing files, and end with the parent process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != order["parent"]:  # the parent ended before that was set
            sys.exit(1)
    os.nice(order["nice"])
    limits = {
        resource.RLIMIT_CPU: order["cpu_seconds"],
        resource.RLIMIT_AS: order["memory_bytes"],
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        # Some systems lack some limits. The deadline of the server applies everywhere.
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


def _outputs(content: bytes, order: dict[str, Any]) -> list[bytes]:
    from PIL import ImageOps  # noqa: PLC0415

    image = _decoded(content, order)
    side = order["max_side"]
    # Palette and 16-bit colours cannot be averaged, so these are converted first. All other modes are shrunk first, so
    # that fewer pixels are rotated and converted.
    plain = _plain(image)
    plain.thumbnail((side, side))
    upright = _srgb(ImageOps.exif_transpose(plain), image.info)
    squares = [ImageOps.fit(upright, (square, square)) for square in order["squares"]]
    return [_webp(picture, order["quality"]) for picture in (upright, *squares)]


def _webp(image: "Image.Image", quality: int) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "WEBP", quality=quality)
    return encoded.getvalue()


# --- decoding -------------------------------------------------------------------------------------

_END = b"\xff\xd9"
# Appended to a JPEG whose end marker is missing. A decoder that lacks data reads these bytes as data; 0xFF is not among
# them. Without more bytes a decoder continues with zero bits, so these bytes begin with other ones.
_NO_DATA = bytes((201 + 157 * number) % 255 for number in range(2_000))


def _decoded(content: bytes, order: dict[str, Any]) -> "Image.Image":
    """The picture, decoded; of a JPEG that is much too large, at a fraction of its size. Raises what Pillow raises."""
    try:
        return _read(content, order)
    except OSError:
        # If all scans are there, perhaps only the end marker is missing.
        if order["format"] != "JPEG" or not order["has_all_scans"]:
            raise
    return _read_without_end(content, order)


def _read(content: bytes, order: dict[str, Any]) -> "Image.Image":
    from PIL import Image  # noqa: PLC0415

    image = Image.open(io.BytesIO(content), formats=[order["format"]])
    if [image.width, image.height] != order["size"]:
        raise ValueError("the decoder reads another size than the server did")
    image.draft(None, (2 * order["max_side"], 2 * order["max_side"]))
    image.load()
    if order["format"] == "PNG":
        # From the chunk IHDR. Pillow offers neither, and both are needed to interpret other values of `info`.
        image.info["depth"], image.info["is_grey"] = content[24], content[25] in (0, 4)
    return image


def _read_without_end(content: bytes, order: dict[str, Any]) -> "Image.Image":
    """A JPEG with an end marker appended. Raises ValueError when its data are not complete.

    A decoder that lacks data reads what follows as data, or invents pixels. So the data are complete if the pixels do
    not depend on what follows the data.
    """
    # A last 0xFF is the first half of the end marker: in data, 0xFF is always followed by another byte.
    data = content.rstrip(b"\xff")
    # Digests, so that only one decoded picture is in memory at a time.
    expected = _digest(_read(data + _NO_DATA + _END, order))
    image = _read(data + _END, order)
    if _digest(image) != expected:
        raise ValueError("the data end early")
    return image


def _digest(image: "Image.Image") -> bytes:
    digest = hashlib.blake2b()
    for top in range(0, image.height, 256):
        digest.update(image.crop((0, top, image.width, min(top + 256, image.height))).tobytes())
    return digest.digest()


# --- plain colours: 8 bits a channel, no palette --------------------------------------------------


def _plain(image: "Image.Image") -> "Image.Image":
    """The picture as L, LA, RGB, RGBA or CMYK. The orientation of EXIF stays with it."""
    match image.mode:
        case "RGBA" if image.info.get("is_grey"):  # of 16 bits with transparency
            return image.convert("LA")
        case "L" | "RGB" if image.has_transparency_data:
            return _keyed(image)
        case "L" | "LA" | "RGB" | "RGBA" | "CMYK":
            return image
        case "I;16" | "I;16B" | "I;16L" | "I;16N" | "I":
            return _of_16_bits(image)
        case "1" if not image.has_transparency_data:
            return image.convert("L")
        case "1" | "P" | "PA" | "La" | "RGBa" | "RGBX":
            return image.convert("RGBA" if image.has_transparency_data else "RGB")
        case mode:
            raise ValueError(f"no decoder of these formats makes {mode}")


def _keyed(image: "Image.Image") -> "Image.Image":
    """With the one transparent colour of a PNG (tRNS) as an alpha channel.

    The colour is written in the depth of the file and the pixels are in 8 bits: of 16, the upper 8 count.
    """
    key = image.info["transparency"]
    bits = image.info.get("depth", 8)
    scaled = [_in_8_bits(value, bits) for value in (key if isinstance(key, tuple) else (key,))]
    image.info["transparency"] = tuple(scaled) if image.mode == "RGB" else scaled[0]
    return image.convert("RGBA" if image.mode == "RGB" else "LA")


def _in_8_bits(value: int, bits: int) -> int:
    return value >> (bits - 8) if bits > 8 else value * 255 // (2**bits - 1)


def _of_16_bits(image: "Image.Image") -> "Image.Image":
    """Grey of 16 bits as 8 bits, after applying the gamma: afterwards there would be too few shades."""
    curve = _curve(image.info)
    table = [round(255 * curve(value / 65535)) for value in range(65536)]
    wide = image.convert("I")
    grey = wide.point(table, "L")
    key = image.info.get("transparency")
    if key is not None:
        opaque = [255] * 65536
        opaque[key] = 0
        grey.putalpha(wide.point(opaque, "L"))
    grey.info.pop("transparency", None)
    image.info.pop("gamma", None)
    return grey


# --- colours: sRGB --------------------------------------------------------------------------------

# Profiles of printers take up to 3 MB. All of a file is smaller than 5 MB.
_LARGEST_PROFILE = 4 * 1_048_576
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # of ICC profiles
_SRGB_GAMMA = 1 / 2.2
_SAME_GAMMA = 0.05  # libpng's threshold: two gammas that differ by less look alike


def _srgb(image: "Image.Image", info: Mapping[Any, Any]) -> "Image.Image":
    """As RGB or RGBA in sRGB: by the profile that the file has, else by its gamma, else as it is."""
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image.convert({"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
    profile = info.get("icc_profile")
    converted = (profile and _by_profile(colours, profile)) or _by_gamma(colours.convert("RGB"), info)
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _by_profile(image: "Image.Image", profile: bytes) -> "Image.Image | None":
    """None when the profile cannot be read or is for other colours; browsers then assume sRGB."""
    if len(profile) > _LARGEST_PROFILE:
        return None
    from PIL import ImageCms  # noqa: PLC0415

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if space != _SPACES[image.mode]:
            return None
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _by_gamma(image: "Image.Image", info: Mapping[Any, Any]) -> "Image.Image":
    curve = _curve(info)
    if curve is _identity:
        return image
    return image.point([round(255 * curve(value / 255)) for value in range(256)] * 3)


def _curve(info: Mapping[Any, Any]) -> Callable[[float], float]:
    """From a sample of a PNG to one of sRGB, each from 0 to 1, by the chunk gAMA.

    A profile or the chunk sRGB overrules gAMA (W3C PNG, section 4.3). The primaries of cHRM are not regarded.
    """
    gamma = info.get("gamma")
    if not gamma or "srgb" in info or "icc_profile" in info or abs(gamma / _SRGB_GAMMA - 1) <= _SAME_GAMMA:
        return _identity
    return lambda sample: _encoded(sample ** (1 / gamma))


def _identity(sample: float) -> float:
    return sample


def _encoded(light: float) -> float:
    """IEC 61966-2-1."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


if __name__ == "__main__":
    sys.exit(main())
