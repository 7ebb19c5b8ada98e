"""`manage.py` in processes that are forked from one that has imported the libraries.

Such a process costs 0.3 s of CPU time instead of 0.8 s. It has an environment, a folder, files and signals of its own,
and imports the settings and all code of the project itself. Servers and workers are started without it.

`python tests/forking.py SOCKET WORD …` asks the process that listens at this socket for one, and represents it: it
passes signals on, ends as it does, and takes it along when it is killed.
"""

import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__)
HOME = HERE.parent.parent
# What commands import and what can be imported without settings. What is missing here is imported later.
LIBRARIES = (
    "asyncio", "cryptography.x509", "django.core.management", "django.core.serializers.json", "django.db.models",
    "django.db.backends.postgresql.base", "django.forms", "django.http", "django.template", "django.urls", "environ",
    "jwt", "orjson", "PIL.Image", "procrastinate", "psycopg_pool", "rich.console", "structlog",
)  # fmt: skip
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


# --- in the process of the tests -----------------------------------------------------------------


def manage(*words: str) -> list[str]:
    """The command line of a process that runs `manage.py` with these words, for `subprocess`."""
    # Coverage is measured from the start of a process on.
    if not hasattr(os, "pidfd_open") or "COVERAGE_PROCESS_CONFIG" in os.environ:
        return [sys.executable, str(HOME / "manage.py"), *words]
    return [sys.executable, "-IS", str(HERE), _listening(), *words]


@cache
def _listening() -> str:
    """The path of the socket of a process that ends with this one."""
    folder = TemporaryDirectory(prefix="forking-")
    path = str(Path(folder.name) / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        number = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, str(HERE)],
            cwd=HOME,
            env=os.environ | {"LISTENER": str(number)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[number],
        )
    _kept.extend((folder, process))
    return path


_kept: list[Any] = []  # until this process ends


# --- in the process that forks, and in its children ----------------------------------------------


def serve(listener: socket.socket) -> None:
    """Fork a child for each connection. Returns in the children only; ends with the standard input."""
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                os._exit(0)
            elif key.fileobj is listener:
                connected, _ = listener.accept()
                files, request = _requested(connected)
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    listener.close()
                    connected.close()
                    _become(files, **request)
                    return
                for file in files:
                    os.close(file)
                child = os.pidfd_open(pid)
                connected.sendall(f"{pid}\n".encode())
                selector.register(child, selectors.EVENT_READ, (pid, connected))
                selector.register(connected, selectors.EVENT_READ, child)
            elif isinstance(key.fileobj, socket.socket):  # who represents the child was killed
                selector.unregister(key.fileobj)
                signal.pidfd_send_signal(key.data, signal.SIGKILL)
            else:
                pid, connected = key.data
                _, status = os.waitpid(pid, 0)
                selector.unregister(key.fileobj)
                os.close(key.fd)
                if connected in selector.get_map():
                    selector.unregister(connected)
                    connected.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                connected.close()


def _requested(connected: socket.socket) -> tuple[list[int], dict[str, Any]]:
    _, files, _, _ = socket.recv_fds(connected, 1, 3)
    with connected.makefile("rb") as incoming:
        return files, json.loads(incoming.readline())


def _become(files: list[int], *, folder: str, environment: dict[str, str], words: list[str]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["manage.py", *words]


# --- in the process that represents a child ------------------------------------------------------


def represent(path: str, words: list[str]) -> int:
    """Returns the exit code of the child, or dies by the same signal."""
    with socket.socket(socket.AF_UNIX) as connected:
        connected.connect(path)
        request = {"folder": str(Path.cwd()), "environment": dict(os.environ), "words": words}
        socket.send_fds(connected, [b"\0"], [0, 1, 2])
        connected.sendall(f"{json.dumps(request)}\n".encode())
        with connected.makefile("rb") as answers:
            pid = int(answers.readline())
            for number in PASSED_ON:
                signal.signal(number, lambda number, _: os.kill(pid, number))
            code = int(answers.readline())
    if code < 0:
        if -code in PASSED_ON:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(represent(sys.argv[1], sys.argv[2:]))
    sys.path[0] = str(HOME)
    for library in LIBRARIES:
        import_module(library)
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=int(os.environ["LISTENER"])))
    import_module("manage").main()
