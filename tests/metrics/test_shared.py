"""Files that processes share: what killed processes leave behind, and a disk without space."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from common.metrics.files import SIZES
from common.metrics.shared import FOLDERS, SharedFolder

# Counts to 5, observes two times, sets a gauge, and is killed while it holds its files open.
KILLED = """
import os, signal, sys
from pathlib import Path
from common.metrics import Counter, Gauge, Histogram
from common.metrics.in_server import enable_in_folder

COUNT = Counter("things_total", "Things", ["kind"])
TIME = Histogram("thing_seconds", "Time", buckets=(1, 2))
LEVEL = Gauge("level", "Level")
enable_in_folder("my")
COUNT.inc("a", by=2)
COUNT.inc("b", by=3)
TIME.observe(0.5)
TIME.observe(1.5)
LEVEL.set(7)
print(os.getpid(), flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
"""
PROGRAM = [sys.executable, "-c", KILLED]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedFolder]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = SharedFolder()
    yield made
    made.remove()
    assert list(tmp_path.iterdir()) == []


def environment(folder: SharedFolder) -> dict[str, str]:
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder.path), "PYTHONPATH": str(settings.BASE_DIR)}


def killed_in(folder: SharedFolder) -> int:
    done = subprocess.run([*PROGRAM, "killed"], env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    return int(done.stdout)


def shown(folder: SharedFolder) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder.path))  # type: ignore[no-untyped-call]
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def size_of(folder: SharedFolder) -> int:
    return sum(file.stat().st_size for file in folder.path.iterdir())


def test_killed_processes_keep_their_counts_in_files_that_do_not_grow(folder: SharedFolder) -> None:
    sizes = []
    for number in range(1, 6):
        pid = killed_in(folder)
        before = shown(folder)
        assert before["my_level", ""] == 7
        folder.retire(pid)
        after = shown(folder)
        # Living gauges are gone with their process, and nothing else has changed.
        assert after == {key: value for key, value in before.items() if key != ("my_level", "")}
        assert after == {
            ("my_things_total", "a"): 2 * number,
            ("my_things_total", "b"): 3 * number,
            ("my_thing_seconds_bucket", "1.0"): number,
            ("my_thing_seconds_bucket", "2.0"): 2 * number,
            ("my_thing_seconds_bucket", "+Inf"): 2 * number,
            ("my_thing_seconds_count", ""): 2 * number,
            ("my_thing_seconds_sum", ""): 2 * number,
        }
        assert {file.name for file in folder.path.iterdir()} == {"counter_ended.db", "histogram_ended.db"}
        sizes.append(size_of(folder))
    assert sizes[-1] <= sizes[0] * 2 < SIZES["counter"]
    assert sizes[1:] == [sizes[1]] * 4


def test_a_process_that_ended_before_it_counted_anything_is_no_problem(folder: SharedFolder) -> None:
    folder.retire(4_000_000)
    assert list(folder.path.iterdir()) == []


def test_what_a_living_process_counts_is_added_to_that_of_ended_ones(folder: SharedFolder) -> None:
    folder.retire(killed_in(folder))
    living = subprocess.Popen(
        [*PROGRAM, "waits"], env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert living.stdin
    assert living.stdout
    living.stdout.readline()
    assert shown(folder)["my_things_total", "b"] == 6
    assert shown(folder)["my_level", ""] == 7
    living.communicate()
    folder.retire(living.pid)
    assert shown(folder)["my_things_total", "b"] == 6


def test_an_ended_process_whose_counts_cannot_be_added_is_counted_all_the_same(
    folder: SharedFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, size: int) -> None:
        raise OSError(28, "No space left on device")

    pid = killed_in(folder)
    with monkeypatch.context() as patch:
        patch.setattr("common.metrics.shared.reserve", full)
        folder.retire(pid)
    assert "were not added to the others" in caplog.text
    found = shown(folder)
    assert found["my_things_total", "b"] == 3
    assert ("my_level", "") not in found


def test_without_space_a_process_works_without_metrics(folder: SharedFolder) -> None:
    """RLIMIT_FSIZE stands for a full disk: reserving the files fails, where writing to them would end the process."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n" + KILLED
    done = subprocess.run(
        [sys.executable, "-c", limited, "waits"],
        env=environment(folder),
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "metrics of this process are off" in done.stderr
    assert shown(folder) == {}
    assert [file.name for file in folder.path.iterdir()] == []


def test_folders_of_killed_servers_are_removed_by_the_next_one(folder: SharedFolder) -> None:
    base = folder.path.parent
    abandoned = base / f"{FOLDERS}abandoned"
    abandoned.mkdir()
    (abandoned / "counter_1.db").touch()
    other = SharedFolder()
    assert not abandoned.exists()
    assert folder.path.exists(), "that of a living server is locked"
    other.remove()
