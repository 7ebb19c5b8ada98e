"""Installs the Node tools, generates both clients from docs/openapi.yaml and builds their packages.

    .venv/bin/python clients/build.py

Each step is done again only when something that it reads has changed. Nothing of what is generated is committed.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

CLIENTS = Path(__file__).resolve().parent
DOCUMENT = CLIENTS.parent / "docs" / "openapi.yaml"
BIN = Path(sys.executable).parent  # of the virtual environment, with node and npm
NODE_MODULES = CLIENTS / "node_modules"
PYTHON = CLIENTS / "python"
TYPESCRIPT = CLIENTS / "typescript"
PACKAGES = CLIENTS / "dist"

# What openapi-python-client writes into the package, beside the modules that are written by hand.
GENERATED_PYTHON = ("api", "models", "client.py", "errors.py", "types.py")


def run(*command: str | Path, folder: Path = CLIENTS, timeout: float = 280, stdout: bool = False) -> str:
    """All that the command prints. Raises RuntimeError with it if the command fails.

    With `stdout` only the standard output, also if the command fails, as linters do when they have found something.
    """
    # Node and its tools are looked up in the virtual environment first.
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", "NO_COLOR": "1"}
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if stdout:
        return done.stdout
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def tool(name: str) -> Path:
    """The command of a Node package."""
    return NODE_MODULES / ".bin" / name


def install_node_tools() -> None:
    """Install what package-lock.json lists, with the hashes that it names."""
    with _when_changed(NODE_MODULES / ".installed", [CLIENTS / "package-lock.json"]) as changed:
        if changed:
            run(BIN / "npm", "ci", "--loglevel=error")


def generate_python() -> None:
    """Write the generated part of the Python package."""
    package = PYTHON / "kumanda_client"
    sources = [DOCUMENT, PYTHON / "generator.yaml", *(PYTHON / "templates").iterdir(), Path(__file__)]
    with _when_changed(package / ".generated", sources) as changed:
        if not changed:
            return
        with TemporaryDirectory() as folder:
            document = Path(folder, "openapi.json")
            document.write_text(json.dumps(_without_304(yaml.load(DOCUMENT.read_text("utf-8"), yaml.CSafeLoader))))
            output = Path(folder, "kumanda_client")
            run(*python_generator(document, output))
            for name in GENERATED_PYTHON:
                _remove(package / name)
                shutil.move(output / name, package / name)


def python_generator(document: Path, output: Path) -> list[str | Path]:
    """The command that generates the Python client of a document."""
    return [
        BIN / "openapi-python-client",
        "generate",
        "--meta=none",
        "--fail-on-warning",
        f"--config={PYTHON / 'generator.yaml'}",
        f"--custom-template-path={PYTHON / 'templates'}",
        f"--path={document}",
        f"--output-path={output}",
    ]


def _without_304(document: dict[str, Any]) -> dict[str, Any]:
    """The generator types an answer without a body as Any, which would make all that a read gives Any.

    `status_code` of an answer still says 304 to those who send `If-None-Match`.
    """
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.get("responses", {}).pop("304", None)
    return document


def generate_typescript() -> None:
    """Write the types of all operations for openapi-fetch."""
    install_node_tools()
    schema = TYPESCRIPT / "src" / "schema.ts"
    sources = [DOCUMENT, CLIENTS / "package-lock.json", Path(__file__)]
    with _when_changed(NODE_MODULES / ".schema", sources) as changed:
        if changed or not schema.exists():
            run(tool("openapi-typescript"), DOCUMENT, "--output", schema)


def build_packages() -> None:
    """Write the wheel and the npm package, with the JavaScript that it contains, to clients/dist."""
    generate_python()
    generate_typescript()
    with _when_changed(PACKAGES / ".built", [DOCUMENT, Path(__file__), *_written_by_hand()]) as changed:
        if changed:
            for folder in (PACKAGES, TYPESCRIPT / "dist"):
                _remove(folder)
            PACKAGES.mkdir()
            run(BIN / "uv", "build", "--wheel", "--offline", "--quiet", f"--out-dir={PACKAGES}", folder=PYTHON)
            run(tool("tsc"), "--project", TYPESCRIPT / "tsconfig.json")
            run(BIN / "npm", "pack", "--loglevel=error", f"--pack-destination={PACKAGES}", folder=TYPESCRIPT)


def _written_by_hand() -> list[Path]:
    """The files that the packages are made of, without what is generated from the document."""
    sources = [*(PYTHON / "kumanda_client").glob("*.py"), *(TYPESCRIPT / "src").glob("*.ts")]
    generated = {*(PYTHON / "kumanda_client" / name for name in GENERATED_PYTHON), TYPESCRIPT / "src" / "schema.ts"}
    about = [PYTHON / "pyproject.toml", CLIENTS / "package-lock.json"]
    about += [TYPESCRIPT / "package.json", TYPESCRIPT / "tsconfig.json"]
    about += [folder / "README.md" for folder in (PYTHON, TYPESCRIPT)]
    return sorted({*sources, *about} - generated)


@contextmanager
def _when_changed(stamp: Path, sources: Iterable[Path]) -> Iterator[bool]:
    """Whether a source has changed since the last time that the block ran to its end. One process at a time."""
    digest = sha256()
    for source in sources:
        digest.update(source.read_bytes())
    with (CLIENTS / ".gitignore").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        changed = not stamp.exists() or stamp.read_text() != digest.hexdigest()
        yield changed
        if changed:
            stamp.write_text(digest.hexdigest())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    build_packages()
