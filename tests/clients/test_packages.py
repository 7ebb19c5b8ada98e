"""Both packages are complete, strictly typed, and have the version of the service."""

import json
import tarfile
import tomllib
from zipfile import ZipFile

import pytest

from clients import build

pytestmark = pytest.mark.slow


def test_the_python_client_its_example_and_tests_pass_strict_mypy() -> None:
    checked = build.run(build.BIN / "mypy", "kumanda_client", "examples", "tests", folder=build.PYTHON)

    assert checked.startswith("Success: no issues found in ")


def test_the_example_and_tests_of_the_typescript_client_pass_the_strict_compiler() -> None:
    # The client itself has passed it when it was built.
    assert build.run(build.tool("tsc"), "--project", build.TYPESCRIPT / "tsconfig.examples.json") == ""


def test_the_packages_have_the_version_of_the_service() -> None:
    version = tomllib.loads((build.CLIENTS.parent / "pyproject.toml").read_text())["project"]["version"]

    assert tomllib.loads((build.PYTHON / "pyproject.toml").read_text())["project"]["version"] == version
    assert json.loads((build.TYPESCRIPT / "package.json").read_text())["version"] == version


def test_the_wheel_contains_the_client_its_types_and_all_operations() -> None:
    (wheel,) = build.PACKAGES.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())

    package = build.PYTHON / "kumanda_client"
    modules = {path.relative_to(build.PYTHON).as_posix() for path in package.rglob("*.py")}
    assert len(modules) > 200
    assert modules | {"kumanda_client/py.typed"} <= names


def test_the_npm_package_contains_the_client_and_its_types() -> None:
    (package,) = build.PACKAGES.glob("*.tgz")
    with tarfile.open(package) as archive:
        names = set(archive.getnames())

    modules = {path.stem for path in (build.TYPESCRIPT / "src").glob("*.ts")}
    assert {"index", "schema"} <= modules
    assert {f"package/dist/{name}{end}" for name in modules for end in (".js", ".d.ts")} <= names
    assert "package/README.md" in names


def test_the_npm_lock_file_names_no_address_and_has_a_hash_of_each_package() -> None:
    text = (build.CLIENTS / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]

    assert "://" not in "".join(str(each.get("resolved", "")) for each in packages.values())
    installed = [name for name, each in packages.items() if name.startswith("node_modules/") and not each.get("link")]
    assert len(installed) > 100
    assert [name for name in installed if not packages[name].get("integrity", "").startswith("sha512-")] == []
