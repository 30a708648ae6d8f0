"""Promises about the files of the project, whatever is in them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from deploy.local.settings import Ports
from services.intake.settings import IntakeSettings
from services.notifier.settings import NotifierSettings
from services.rules.settings import RulesSettings

ROOT: Final = Path(__file__).parents[2]
SERVICES: Final[dict[str, type[BaseSettings]]] = {
    "intake": IntakeSettings,
    "rules": RulesSettings,
    "notifier": NotifierSettings,
}
KINDS_OF_TESTS: Final = {
    "unit", "laws", "component", "integration", "contract", "end_to_end", "faults", "benchmarks",
}  # fmt: skip

HOSTS: Final = [
    # In words, so that this file passes its own tests.
    host.replace(" ", ".")
    for host in (
        "npmjs org", "npmjs com", "yarnpkg com", "pypi org", "pythonhosted org",
        "maven org", "maven apache org", "crates io", "docker io", "ghcr io",
    )
]  # fmt: skip
OPTIONS: Final = ["--" + option for option in ("index-url", "extra-index-url", "find-links")]
REGISTRIES: Final = re.compile("|".join(map(re.escape, [*HOSTS, *OPTIONS])))
FOLDERS: Final = ("work", "root", "home/[a-z]+", "tmp/work")
THIS_MACHINE: Final = re.compile(rf"(?<![\w.~-])/({'|'.join(FOLDERS)})/")


def ignored(path: Path, patterns: list[str]) -> bool:
    """Whether .gitignore names it; it has only names, and names from the root on."""
    return any(
        path == ROOT / pattern.strip("/")
        if pattern.startswith("/")
        else fnmatch(path.name, pattern.strip("/"))
        for pattern in patterns
    )


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file that is or may be committed; without git, which not every machine has."""
    patterns = (ROOT / ".gitignore").read_text().split()
    for path in sorted(folder.iterdir()):
        if path.name == ".git" or ignored(path, patterns):
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


FILES: Final = list(files())


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def in_folder(*names: str) -> str:
    return "/" + "/".join(names)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        *((REGISTRIES, f'"resolved": "https://registry.{host}/ajv/-/ajv-8.tgz"') for host in HOSTS),
        *((REGISTRIES, f"{option} https://mirror.example/simple") for option in OPTIONS),
        (THIS_MACHINE, f'open("{in_folder("work", "main", "README.md")}")'),
        (THIS_MACHINE, f"cd {in_folder('home', 'jan', 'mandaat')}"),
    ],
)
def test_what_is_looked_for_would_be_found(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


def test_no_file_holds_the_address_of_a_package_registry() -> None:
    """A package comes from wherever the machine that installs it is told to look."""
    assert lines_with(REGISTRIES) == []


def test_no_file_holds_a_path_of_the_machine_that_it_was_written_on() -> None:
    assert lines_with(THIS_MACHINE) == []


def test_every_test_is_in_the_folder_of_its_kind() -> None:
    tests = {
        path.relative_to(ROOT).parts
        for path in FILES
        if path.name.startswith("test_") and path.suffix == ".py"
    }

    assert {parts[:2] for parts in tests} <= {("tests", kind) for kind in KINDS_OF_TESTS}


def test_every_folder_of_tests_is_a_package() -> None:
    """Else two tests of one name in different folders hide each other."""
    folders = {path.parent for path in FILES if path.name.startswith("test_") and path.suffix == ".py"}

    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN: Final = [
    *PROJECT["project"]["dependencies"],
    *PROJECT["project"]["optional-dependencies"]["local"],
    *PROJECT["dependency-groups"]["build"],
]
DEVELOP: Final = [*RUN, *PROJECT["dependency-groups"]["dev"]]


def pinned(name: str) -> dict[str, str]:
    """Package -> version, of a requirements file."""
    found = re.findall(
        r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)", (ROOT / name).read_text(), re.MULTILINE
    )
    return {package.replace("_", "-").replace(".", "-"): version for package, version in found}


def named(requirements: list[str]) -> set[str]:
    """The packages of requirements as pyproject.toml writes them."""
    names = {re.split(r"[\[<>=!~; ]", one)[0].lower() for one in requirements}
    return {name.replace("_", "-").replace(".", "-") for name in names}


@pytest.mark.parametrize(("file", "wanted"), [("requirements.txt", RUN), ("requirements-dev.txt", DEVELOP)])
def test_what_the_project_depends_on_is_pinned(file: str, wanted: list[str]) -> None:
    """Run `make requirements` where it is not."""
    assert named(wanted) - set(pinned(file)) == set()


def test_developing_has_the_versions_that_run() -> None:
    developing = pinned("requirements-dev.txt")

    assert {name: developing.get(name) for name in pinned("requirements.txt")} == pinned("requirements.txt")


def rows(heading: str) -> list[list[str]]:
    """The table of docs/settings.md below a heading, without its head."""
    part = (ROOT / "docs" / "settings.md").read_text().split(f"# {heading}\n")[1].split("\n## ")[0]
    table = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")] for line in table]


def default(settings: type[BaseSettings], name: str) -> str:
    value = settings.model_fields[name].default
    match value:
        case None:
            return "unset"
        case _ if value is PydanticUndefined:
            return "needed"
        case SecretStr():
            return value.get_secret_value()
        case _:
            return str(value)


def test_the_table_of_settings_is_that_of_the_services() -> None:
    told = {(service, row[0], row[2]) for row in rows("Settings") for service in row[1].split(", ")}
    there = {
        (service, f"MANDAAT_{name.upper()}", default(settings, name))
        for service, settings in SERVICES.items()
        for name in settings.model_fields
    }

    assert told == there


def test_the_table_of_the_local_stack_is_that_of_its_ports() -> None:
    told = [(row[0], row[1]) for row in rows("The local stack")]

    assert told == [(f"MANDAAT_LOCAL_{name.upper()}", default(Ports, name)) for name in Ports.model_fields]


def test_a_target_of_make_that_is_no_file_has_a_rule() -> None:
    """Without one, make does nothing and says that all is well."""
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    assert set(phony.split()) - set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE)) == set()


def test_a_wheel_holds_every_file_of_its_packages(tmp_path: Path) -> None:
    """Built from a copy, because setuptools leaves its work beside what it builds. Fetches nothing."""
    packages, source = ("engine", "services", "schemas", "deploy"), tmp_path / "source"
    shipped = [path.relative_to(ROOT) for path in FILES if path.relative_to(ROOT).parts[0] in packages]
    for name in (*shipped, Path("pyproject.toml"), Path("README.md"), Path("LICENSE")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
    command = [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")

    assert {str(name) for name in shipped} - set(zipfile.ZipFile(wheel).namelist()) == set()
