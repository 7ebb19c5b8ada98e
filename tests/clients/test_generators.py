"""Four generators that others use make clients of the document, without a warning, and what they make has types."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from clients import build

pytestmark = pytest.mark.slow

# The last line of each of them reports success; anything else may be a hint that something was left out.
COMPLAINTS = re.compile(r"warn|error|⚠|skip|omit|invalid|unsupported|deprecat|fail", re.IGNORECASE)

# The commands of the TypeScript generators, and the module that each of them writes.
MODULES = {
    "openapi-typescript": "openapi-typescript.ts",
    "openapi-ts": "hey-api/sdk.gen.ts",
    "orval": "orval/kumanda.ts",
}


def complaints(output: str) -> list[str]:
    return [line for line in output.splitlines() if COMPLAINTS.search(line)]


class Written(NamedTuple):
    """What the TypeScript generators wrote, and what each of them printed."""

    folder: Path
    outputs: dict[str, str]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """One folder, so that all is compiled at once: each start of the compiler is slow."""
    folder = tmp_path_factory.mktemp("typescript")
    target = {"target": str(folder / "orval" / "kumanda.ts"), "client": "fetch", "mode": "single"}
    config = folder / "orval.config.mjs"
    config.write_text(f"export default {json.dumps({'kumanda': {'input': str(build.DOCUMENT), 'output': target}})};")
    commands: dict[str, list[str | Path]] = {
        "openapi-typescript": [build.DOCUMENT, "--output", folder / "openapi-typescript.ts"],
        "openapi-ts": ["--input", build.DOCUMENT, "--output", folder / "hey-api"],
        "orval": ["--config", config],
    }
    assert commands.keys() == MODULES.keys()
    return Written(folder, {name: build.run(build.tool(name), *rest, folder=folder) for name, rest in commands.items()})


@pytest.mark.parametrize("generator", MODULES)
def test_a_typescript_generator_has_nothing_to_report(written: Written, generator: str) -> None:
    assert complaints(written.outputs[generator]) == []


def test_what_the_typescript_generators_write_passes_the_strict_compiler(written: Written) -> None:
    options = {
        "strict": True,
        "noEmit": True,
        "target": "ES2022",
        "module": "ESNext",
        "moduleResolution": "Bundler",
        "lib": ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
        "types": [],
    }
    modules = [written.folder / name for name in MODULES.values()]
    assert all(path.stat().st_size > 50_000 for path in modules)
    config = written.folder / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options, "files": [str(path) for path in modules]}))

    assert build.run(build.tool("tsc"), "--project", config) == ""


def test_openapi_python_client_has_nothing_to_report_and_its_types_are_strict(tmp_path: Path) -> None:
    output = build.run(*build.python_generator(build.DOCUMENT, tmp_path / "kumanda_api"))
    assert complaints(output) == []

    checked = build.run(build.BIN / "mypy", "--strict", "--package", "kumanda_api", folder=tmp_path)

    assert checked.startswith("Success: no issues found in ")
