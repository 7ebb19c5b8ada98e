"""Four generators that others use make clients of the document, without a warning, and what they make has types."""

import json
import re
from pathlib import Path

import pytest

from clients import build

pytestmark = pytest.mark.slow

# The last line of each of them reports success; anything else may be a hint that something was left out.
COMPLAINTS = re.compile(r"warn|error|⚠|skip|omit|invalid|unsupported|deprecat|fail", re.IGNORECASE)


def complaints(output: str) -> list[str]:
    return [line for line in output.splitlines() if COMPLAINTS.search(line)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the TypeScript generators write to. All is compiled at once, because each start of the compiler is slow."""
    return tmp_path_factory.mktemp("typescript")


def test_openapi_typescript_has_nothing_to_report(folder: Path) -> None:
    output = build.run(build.tool("openapi-typescript"), build.DOCUMENT, "--output", folder / "openapi-typescript.ts")

    assert complaints(output) == []


def test_hey_api_has_nothing_to_report(folder: Path) -> None:
    output = build.run(build.tool("openapi-ts"), "--input", build.DOCUMENT, "--output", folder / "hey-api")

    assert complaints(output) == []


def test_orval_has_nothing_to_report(folder: Path) -> None:
    target = {"target": str(folder / "orval" / "kumanda.ts"), "client": "fetch", "mode": "single"}
    config = folder / "orval.config.mjs"
    config.write_text(f"export default {json.dumps({'kumanda': {'input': str(build.DOCUMENT), 'output': target}})};")

    output = build.run(build.tool("orval"), "--config", config, folder=folder)

    assert complaints(output) == []


def test_what_the_typescript_generators_write_passes_the_strict_compiler(folder: Path) -> None:
    options = {
        "strict": True,
        "noEmit": True,
        "target": "ES2022",
        "module": "ESNext",
        "moduleResolution": "Bundler",
        "lib": ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
        "types": [],
    }
    written = [folder / "openapi-typescript.ts", folder / "hey-api" / "sdk.gen.ts", folder / "orval" / "kumanda.ts"]
    assert all(path.stat().st_size > 50_000 for path in written)
    config = folder / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options, "files": [str(path) for path in written]}))

    assert build.run(build.tool("tsc"), "--project", config) == ""


def test_openapi_python_client_has_nothing_to_report_and_its_types_are_strict(tmp_path: Path) -> None:
    output = build.run(*build.python_generator(build.DOCUMENT, tmp_path / "kumanda_api"))
    assert complaints(output) == []

    checked = build.run(build.BIN / "mypy", "--strict", "--package", "kumanda_api", folder=tmp_path)

    assert checked.startswith("Success: no issues found in ")
