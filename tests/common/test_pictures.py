"""Pictures that are expensive to decode: refused by their headers, or limited while they are decoded."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as django_settings
from PIL import Image

from common import pictures
from common.pictures import PictureSlotsFull, headers, process
from common.refusals import Invalid
from tests import hostile_pictures
from tests.colour_profiles import display_p3
from tests.patience import PATIENCE, wait_until

SIDE = "must have no side longer than 12000 pixels"
PIXELS = "must have at most 25000000 pixels"
FRAMES = "must have at most 250 frames"
NO_PICTURE = "must be a JPEG, PNG or WebP picture"
TOO_MUCH = "takes too much work to decode; save it anew in a simpler form"
RULES = {
    "a WebP of 38 bytes and 50 million pixels": SIDE,
    "a WebP with a canvas of 268 million pixels": SIDE,
    "a WebP of 5,000 frames": FRAMES,
    "a JPEG of 4,000 empty scans": "must have at most 50 scans",
    "a JPEG that claims 3.6 thousand million pixels": SIDE,
    "a JPEG of two sizes": NO_PICTURE,
    "a JPEG of a million segments": NO_PICTURE,
    "a PNG of zeros of 144 million pixels": PIXELS,
    "a PNG of two sizes": NO_PICTURE,
    "a PNG of thousands of packed texts": NO_PICTURE,
    "a PNG of thousands of packed international texts": NO_PICTURE,
    "a PNG of 400,000 chunks": NO_PICTURE,
    "a PNG of 5,000 frames": FRAMES,
}


def refusal_of(content: bytes) -> list[str]:
    with pytest.raises(Invalid) as refused:
        pictures.reencoded(io.BytesIO(content), field="p")
    return refused.value.reasons


def memory_peak() -> int:
    """The peak memory of this process in bytes since `reset_memory_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def reset_memory_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def spent(call: Callable[[], Any]) -> tuple[float, int]:
    """CPU seconds of this process and its ended children, and the growth of its memory in bytes, during `call`."""
    reset_memory_peak()
    memory, begun = memory_peak(), _cpu()
    call()
    return _cpu() - begun, memory_peak() - memory


def _cpu() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


@pytest.mark.parametrize("name", hostile_pictures.HOSTILE)
def test_a_hostile_file_is_refused_with_its_rule_and_costs_little(name: str) -> None:
    content = hostile_pictures.HOSTILE[name]()
    assert len(content) <= pictures.LARGEST_BYTES

    seconds, memory = spent(lambda: refusal_of(content))

    assert refusal_of(content) == [f"p: {RULES[name]}"]
    assert seconds < 2
    assert memory < 40_000_000


@pytest.mark.parametrize("name", hostile_pictures.ODD)
def test_metadata_beside_the_pixels_costs_little(name: str) -> None:
    content = hostile_pictures.ODD[name]()

    said: list[Any] = []

    def read() -> None:
        try:
            said.append(Image.open(io.BytesIO(pictures.reencoded(io.BytesIO(content), field="p"))).size)
        except Invalid as refused:
            said.append(refused.reasons)

    seconds, memory = spent(read)

    assert said in ([(16, 16)], [[f"p: {NO_PICTURE}"]])
    assert seconds < 2
    assert memory < 40_000_000


@pytest.mark.parametrize("cut", [10, 30, 90, 400, 4_000])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_file_that_ends_early_is_refused(form: str, cut: int) -> None:
    content = encoded(noise(200), form)

    assert refusal_of(content[:cut]) == [f"p: {NO_PICTURE}"]


@pytest.mark.parametrize(
    "content",
    [
        b"GIF89a" + b"\0" * 99,
        b"II*\0" + b"\0" * 99,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"BM" + b"\0" * 99,
        b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff",
        b"RIFF\0\0\0\0WEBPVP8L",
        b"\xff\xd8\xff\xc0\0\0" + b"\xff\xda\0\0" * 99,
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR",
    ],
)
def test_a_file_that_is_no_picture_starts_no_process(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PROGRAM", Path("/nowhere"))

    assert refusal_of(content) == [f"p: {NO_PICTURE}"]


def test_data_hidden_beside_the_pixels_is_not_stored() -> None:
    zip_file = b"PK\x03\x04 <script>alert(1)</script>"
    for form in ("JPEG", "PNG"):
        clean = pictures.reencoded(io.BytesIO(encoded(noise(50), form) + zip_file), field="p")
        assert b"script" not in clean


def test_an_animation_is_reduced_to_its_first_frame() -> None:
    first = Image.new("RGB", (20, 10), "red")
    others = [Image.new("RGB", (20, 10), (0, number, 200)) for number in range(0, 200, 10)]
    for form in ("WEBP", "PNG"):
        content = encoded(first, form, save_all=True, append_images=others)
        assert headers.checked_header(content).frames == 21
        made = Image.open(io.BytesIO(pictures.reencoded(io.BytesIO(content), field="p")))
        assert (made.size, getattr(made, "n_frames", 1)) == ((20, 10), 1)
        red, _green, blue = made.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert red > 200
        assert blue < 60


# --- large ordinary pictures ----------------------------------------------------------------------


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(side: int, *, detail: int = 1) -> Image.Image:
    """Noise like that of a photo, with spots of `detail` pixels."""
    grey = Image.effect_noise((side // detail, side // detail), 60).resize((side, side), Image.Resampling.BICUBIC)
    flipped = [grey.transpose(way) for way in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM)]
    return Image.merge("RGB", [grey, *flipped])


def large_grey() -> Image.Image:
    return Image.linear_gradient("L").resize((5_000, 5_000))


# Files of 25 million pixels.
LARGE: dict[str, Callable[[], bytes]] = {
    "as cameras write": lambda: encoded(noise(5_000, detail=4), "JPEG", quality=35),
    "of a telephone": lambda: encoded(noise(5_000, detail=4), "JPEG", quality=35, icc_profile=display_p3()),
    "progressive": lambda: encoded(noise(5_000, detail=4), "JPEG", quality=25, progressive=True, subsampling=0),
    "without its end": lambda: encoded(noise(5_000, detail=4), "JPEG", quality=25, progressive=True)[:-2],
    "of a printer": lambda: encoded(noise(5_000, detail=4).convert("CMYK"), "JPEG", quality=10, progressive=True),
    "of a printer, without its end": lambda: encoded(
        noise(5_000, detail=4).convert("CMYK"), "JPEG", quality=10, progressive=True
    )[:-2],
    "lossy": lambda: encoded(noise(5_000, detail=4), "WEBP", quality=5, method=0),
    "lossless with transparency": lambda: encoded(large_grey().convert("RGBA"), "PNG", compress_level=1),
    "grey of 16 bits": lambda: encoded(
        large_grey().convert("I").point(lambda value: value * 257).convert("I;16"), "PNG", compress_level=1
    ),
    "a palette": lambda: encoded(large_grey().convert("P"), "PNG", transparency=0, compress_level=1),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", LARGE)
def test_photos_of_25_million_pixels_need_much_less_than_the_limits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CPU_SECONDS", process.CPU_SECONDS // 2)
    monkeypatch.setattr(process, "MEMORY_BYTES", process.MEMORY_BYTES * 9 // 10)
    monkeypatch.setattr(process, "DEADLINE_SECONDS", 60)
    content = LARGE[name]()
    assert len(content) <= pictures.LARGEST_BYTES
    full, squares = pictures.with_squares(io.BytesIO(content), (40, 160), field="p", max_side=1280)
    assert Image.open(io.BytesIO(full)).size == (1280, 1280)
    assert {side: Image.open(io.BytesIO(square)).size for side, square in squares.items()} == {
        40: (40, 40),
        160: (160, 160),
    }


@pytest.mark.timeout(120)
def test_the_most_expensive_accepted_files_need_no_memory_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "DEADLINE_SECONDS", 60)  # other tests run on the same cores
    for name, content in hostile_pictures.at_the_limits():
        _seconds, memory = spent(partial(pictures.reencoded, io.BytesIO(content), field="p"))
        assert memory < 20_000_000, name


# --- limits of the process ------------------------------------------------------------------------


def test_a_file_that_takes_too_much_processor_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "MOST_SCANS", 1_000_000)
    monkeypatch.setattr(headers, "MOST_PARTS", 1_000_000)
    monkeypatch.setattr(process, "CPU_SECONDS", 1)
    monkeypatch.setattr(process, "DEADLINE_SECONDS", 60)

    assert refusal_of(hostile_pictures.many_scans_jpeg(40_000)) == [f"p: {TOO_MUCH}"]


def test_a_file_that_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MEMORY_BYTES", 200 * 1_048_576)

    assert refusal_of(encoded(Image.new("RGBA", (5_000, 5_000)), "PNG")) == [f"p: {TOO_MUCH}"]


def test_a_decoder_that_crashes_refuses_the_file_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "PROGRAM", program(tmp_path, "os.kill(os.getpid(), signal.SIGSEGV)"))

    assert refusal_of(encoded(noise(50), "PNG")) == [f"p: {NO_PICTURE}"]
    assert "a decoder of PNG was ended by signal 11" in caplog.text


def test_a_decoder_that_does_not_start_is_an_error_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_packages", lambda: "/nowhere")

    with pytest.raises(RuntimeError, match="No module named 'PIL'"):
        pictures.reencoded(io.BytesIO(encoded(noise(50), "PNG")), field="p")


def program(folder: Path, then: str) -> Path:
    """A program that sets the limits of the real one and then runs `then` instead of decoding."""
    path = folder / "program.py"
    path.write_text(
        "import json, os, runpy, signal, sys, time\n"
        f"runpy.run_path({str(process.PROGRAM)!r})['_confine'](json.loads(sys.argv[1]))\n"
        f"{then}\n",
        encoding="utf-8",
    )
    return path


def children(of: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(of).children(recursive=True) if "program.py" in " ".join(_line(child))]


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_decoder_that_hangs_is_killed_and_its_slot_is_free_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = encoded(noise(50), "PNG")
    with monkeypatch.context() as patch:
        patch.setattr(process, "PROGRAM", program(tmp_path, "time.sleep(60)"))
        patch.setattr(process, "DEADLINE_SECONDS", 1)
        for _ in range(django_settings.PICTURE_SLOTS + process.MOST_WAITING + 1):
            with pytest.raises(PictureSlotsFull):
                pictures.reencoded(io.BytesIO(content), field="p")
            assert not children(os.getpid())

    assert pictures.reencoded(io.BytesIO(content), field="p")


def test_few_decode_at_once_few_wait_and_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MOST_WAITING", 2)
    monkeypatch.setattr(process, "WAIT_SECONDS", 0.3)
    slots = process.Slots(2)
    inside, leave, seen = threading.Semaphore(0), threading.Event(), list[str]()

    def enter() -> None:
        try:
            with slots.one():
                inside.release()
                leave.wait(PATIENCE)
            seen.append("decoded")
        except PictureSlotsFull:
            seen.append("refused")

    def begin() -> threading.Thread:
        thread = threading.Thread(target=enter)
        thread.start()
        return thread

    threads = [begin() for _ in range(2)]
    assert all(inside.acquire(timeout=PATIENCE) for _ in threads)
    begun = time.monotonic()
    threads += [begin() for _ in range(6)]  # four may wait, two are refused at once
    for thread in threads[2:]:
        thread.join(PATIENCE)
    waited = time.monotonic() - begun
    leave.set()
    for thread in threads[:2]:
        thread.join(PATIENCE)

    assert sorted(seen) == ["decoded"] * 2 + ["refused"] * 6
    assert waited >= 0.3
    with slots.one():  # all slots and places are free again
        assert slots._places._value == 5


def test_a_decoder_inherits_no_secret_and_no_file_and_has_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)  # noqa: FBT003 - its only parameter
    report = (
        "import resource\n"
        "facts = [os.nice(0), sorted(os.environ), sorted(map(int, os.listdir('/proc/self/fd')))[:-1],"
        " resource.getrlimit(resource.RLIMIT_FSIZE), resource.getrlimit(resource.RLIMIT_CPU)]\n"
        "facts = json.dumps(facts).encode()\n"
        "sys.stdout.buffer.write(len(facts).to_bytes(4, 'big') + facts)"
    )
    monkeypatch.setattr(process, "PROGRAM", program(tmp_path, report))
    monkeypatch.setenv("SECRET_KEY", "of-the-server")

    try:
        facts = json.loads(pictures.reencoded(io.BytesIO(encoded(noise(50), "PNG")), field="p"))
    finally:
        os.close(reader)
        os.close(writer)

    nice, environment, files, file_size, cpu = facts
    assert nice >= process.NICE
    assert set(environment) <= {"LC_CTYPE", "LD_LIBRARY_PATH"}  # Python sets the first for itself
    assert files == [0, 1, 2]
    assert file_size == [0, 0]
    assert cpu == [process.CPU_SECONDS] * 2


def test_a_decoder_ends_with_its_server(tmp_path: Path) -> None:
    slow = program(tmp_path, "time.sleep(60)")
    file = tmp_path / "picture.png"
    file.write_bytes(encoded(noise(50), "PNG"))
    code = (
        "import django, pathlib; django.setup()\n"
        "from common import pictures; from common.pictures import process\n"
        f"process.PROGRAM = pathlib.Path({str(slow)!r})\n"
        f"pictures.reencoded(open({str(file)!r}, 'rb'), field='p')\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=django_settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    try:
        decoders = wait_until(lambda: children(server.pid))
        server.send_signal(signal.SIGKILL)
        server.wait(PATIENCE)
        assert wait_until(lambda: not any(decoder.is_running() for decoder in decoders))
    finally:
        server.kill()
        server.wait(PATIENCE)
