"""Colour profiles for tests, written byte by byte (ICC.1:2001-04), and their colours in sRGB.

The values come from the published matrices and curves, not from the library that the program uses.
"""

import struct
from collections.abc import Callable, Sequence

type Colour = tuple[int, int, int]
type Vector = tuple[float, float, float]

# --- sRGB and Display P3: IEC 61966-2-1, SMPTE EG 432-1 -------------------------------------------

# Linear Display P3 to XYZ, and XYZ to linear sRGB, both for D65: CSS Color Module Level 4, section 18.
_P3_TO_XYZ = (
    (608311 / 1250200, 189793 / 714400, 198249 / 1000160),
    (35783 / 156275, 247089 / 357200, 198249 / 2500400),
    (0.0, 32229 / 714400, 5220557 / 5000800),
)
_XYZ_TO_SRGB = (
    (12831 / 3959, -329 / 214, -1974 / 3959),
    (-851781 / 878810, 1648619 / 878810, 36519 / 878810),
    (705 / 12673, -2585 / 12673, 705 / 667),
)
# The primaries of Display P3 as profiles write them: adapted to D50.
_P3_IN_PROFILES = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
_D50 = (0.9642, 1.0, 0.8249)
_D50_TO_D65 = (  # Bradford
    (0.9554734527042182, -0.023098536874261423, 0.0632593086610217),
    (-0.028369706963208136, 1.0099954580058226, 0.021041398966943008),
    (0.012314001688319899, -0.020507696433477912, 1.3303659366080753),
)


def encoded(light: float) -> int:
    """The sRGB sample of linear light from 0 to 1."""
    light = min(max(light, 0.0), 1.0)
    return round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))


def decoded(sample: float) -> float:
    """The linear light of a sample from 0 to 255."""
    share = sample / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def _times(matrix: Sequence[Vector], vector: Sequence[float]) -> Vector:
    red, green, blue = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return red, green, blue


def srgb_of_display_p3(colour: Colour) -> Colour:
    xyz = _times(_P3_TO_XYZ, [decoded(sample) for sample in colour])
    red, green, blue = map(encoded, _times(_XYZ_TO_SRGB, xyz))
    return red, green, blue


def srgb_of_lab(lab: Vector) -> Colour:
    """CIE L*a*b* for D50."""
    lightness, a, b = lab
    y = (lightness + 16) / 116
    xyz_d50 = [white * _cube(share) for white, share in zip(_D50, (y + a / 500, y, y - b / 200), strict=True)]
    red, green, blue = map(encoded, _times(_XYZ_TO_SRGB, _times(_D50_TO_D65, xyz_d50)))
    return red, green, blue


def _cube(share: float) -> float:
    return share**3 if share > 6 / 29 else 3 * (6 / 29) ** 2 * (share - 4 / 29)


# --- profiles -------------------------------------------------------------------------------------


def _number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(vector: Vector) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_number, vector))


def _curve(function: Callable[[float], float], points: int = 1024) -> bytes:
    values = [round(65535 * function(number / (points - 1))) for number in range(points)]
    return b"curv\0\0\0\0" + struct.pack(f">I{points}H", points, *values)


def _profile(space: bytes, device: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    described = {b"desc": b"desc\0\0\0\0\0\0\0\x05test\0" + b"\0" * 78, b"cprt": b"text\0\0\0\0none\0"} | tags
    at = 128 + 4 + 12 * len(described)
    table, data = struct.pack(">I", len(described)), b""
    for name, tag in described.items():
        table += struct.pack(">4sII", name, at + len(data), len(tag))
        data += tag + b"\0" * (-len(tag) % 4)
    header = struct.pack(">I4sI4s4s4s", at + len(data), b"\0" * 4, 0x02400000, device, space, connection)
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28 + b"".join(map(_number, _D50))
    return header.ljust(128, b"\0") + table + data


def display_p3() -> bytes:
    curve = _curve(lambda share: decoded(255 * share))
    tags = {b"wtpt": _xyz(_D50)}
    for name, primary in zip((b"r", b"g", b"b"), _P3_IN_PROFILES, strict=True):
        tags |= {name + b"XYZ": _xyz(primary), name + b"TRC": curve}
    return _profile(b"RGB ", b"mntr", b"XYZ ", tags)


def grey_of_gamma(gamma: float) -> bytes:
    return _profile(b"GRAY", b"mntr", b"XYZ ", {b"wtpt": _xyz(_D50), b"kTRC": _curve(lambda share: share**gamma)})


def cmyk(lab_of: Callable[[int, int, int, int], Vector]) -> bytes:
    """`lab_of` returns the colour of each of the 16 corners, where an ink is 0 or 1. Other colours are interpolated."""
    values = []
    for corner in range(16):
        lightness, a, b = lab_of(*(corner >> shift & 1 for shift in (3, 2, 1, 0)))
        values += [round(lightness * 652.8), round((a + 128) * 256), round((b + 128) * 256)]
    identity = struct.pack(">2H", 0, 65535)
    matrix = b"".join(_number(float(place % 4 == 0)) for place in range(9))
    table = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + struct.pack(">2H", 2, 2)
    table += identity * 4 + struct.pack(f">{len(values)}H", *values) + identity * 3
    return _profile(b"CMYK", b"prtr", b"Lab ", {b"wtpt": _xyz(_D50), b"A2B0": table})
