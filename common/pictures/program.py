"""Decodes one picture and encodes it anew, in a process that may use little and ends soon. Run by `process.py`.

Imports nothing but Pillow and the standard library, and nothing of this project: it starts in about 70 ms. The file
comes on standard input. Standard output gets, for each output, its length (4 bytes, big-endian) and a WebP file.
"""

import ctypes
import io
import json
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import Any

# Exit codes, beside 0; `process.py` has the same.
DAMAGED = 65
TOO_MUCH_MEMORY = 66

PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def main() -> int:
    order = json.loads(sys.argv[1])
    _confine(order)
    sys.path.insert(0, order["packages"])
    # Here, because the path of Pillow is known and the limits are set only now. With the three plugins named,
    # Pillow never looks for others.
    from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401, PLC0415

    Image.MAX_IMAGE_PIXELS = None  # the server has looked, and its limit is lower
    content = sys.stdin.buffer.read()
    try:
        outputs = _outputs(content, order)
    except MemoryError:
        return TOO_MUCH_MEMORY
    except Exception:  # Decoders that are fed damaged bytes raise whatever they trip over.
        return DAMAGED
    for output in outputs:
        sys.stdout.buffer.write(struct.pack(">I", len(output)) + output)
    sys.stdout.buffer.flush()
    return 0


def _confine(order: dict[str, Any]) -> None:
    """Less time than the server gets, bounded CPU and memory, no file written, and an end when the server ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != order["parent"]:  # it ended before that was set
            sys.exit(1)
    os.nice(order["nice"])
    limits = {
        resource.RLIMIT_CPU: order["cpu_seconds"],
        resource.RLIMIT_AS: order["memory_bytes"],
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        # Some systems do not know every limit; the deadline of the server holds everywhere.
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


def _outputs(content: bytes, order: dict[str, Any]) -> list[bytes]:
    from PIL import Image, ImageOps  # noqa: PLC0415

    def webp(image: Image.Image) -> bytes:
        encoded = io.BytesIO()
        image.save(encoded, "WEBP", quality=order["quality"])
        return encoded.getvalue()

    with Image.open(io.BytesIO(content), formats=[order["format"]]) as image:
        if [image.width, image.height] != order["size"]:
            raise ValueError("the decoder reads another size than the server did")
        # First smaller, then turned: a JPEG is then never decoded at full size.
        image.thumbnail((order["max_side"], order["max_side"]))
        upright = ImageOps.exif_transpose(image)
    upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    squares = [ImageOps.fit(upright, (side, side)) for side in order["squares"]]
    return [webp(picture) for picture in (upright, *squares)]


if __name__ == "__main__":
    sys.exit(main())
