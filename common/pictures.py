"""Pictures from outside: checked by content, limited, encoded anew so that nothing but the pixels stays."""

import io
from typing import IO

from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps

from common.refusals import Invalid

LARGEST_BYTES = 5 * 1_048_576
FORMATS = ("JPEG", "PNG", "WEBP")
# A few kilobytes can unpack to gigabytes; a telephone's camera makes 12 to 50 million pixels.
LARGEST_PIXELS = 50_000_000
QUALITY = 82


def reencoded(picture: IO[bytes], *, field: str, largest_bytes: int = LARGEST_BYTES, max_side: int = 1920) -> bytes:
    """The picture as WebP, upright, without metadata, shrunk until no side is longer than `max_side` pixels.

    Raises `Invalid` on `field` when it is no JPEG, PNG or WebP, is damaged, or is larger than `largest_bytes`
    or `LARGEST_PIXELS`.
    """
    content = picture.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise Invalid(field, _("must be at most %(limit)d bytes") % {"limit": largest_bytes})
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise Image.DecompressionBombError
            return _webp(_upright(image, max_side))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Invalid(field, _("must have at most %(limit)d pixels") % {"limit": LARGEST_PIXELS}) from error
    except Exception as error:  # Decoders that are fed damaged bytes raise whatever they trip over.
        raise Invalid(field, _("must be a JPEG, PNG or WebP picture")) from error


def squares(webp: bytes, sizes: tuple[int, ...]) -> dict[int, bytes]:
    """The middle of a picture that `reencoded` made, as WebP squares of these sizes in pixels."""
    with Image.open(io.BytesIO(webp)) as image:
        return {size: _webp(ImageOps.fit(image, (size, size))) for size in sizes}


def _upright(image: Image.Image, max_side: int) -> Image.Image:
    # First smaller, then turned: a JPEG is then never decoded at full size.
    image.thumbnail((max_side, max_side))
    image = ImageOps.exif_transpose(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _webp(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "WEBP", quality=QUALITY)
    return encoded.getvalue()
