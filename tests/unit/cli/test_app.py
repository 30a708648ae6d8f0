"""`mandaat` lists every command without importing it, and each listed command exists."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import COMMANDS, build


def test_help_names_every_command_and_loads_none() -> None:
    program = (
        "import sys; from services.cli.app import build; from typer.testing import CliRunner;"
        "print(CliRunner().invoke(build(None), ['--help']).stdout);"
        "print([name for name in sys.modules if name.split('.')[0] in ('aiokafka', 'pydantic', 'httpx')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *help_text, loaded = done.stdout.strip().splitlines()
    assert all(f" {name} " in "\n".join(help_text) for name in COMMANDS)
    assert loaded == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_can_be_called(name: str) -> None:
    assert CliRunner().invoke(build(name), [name, "--help"]).exit_code == 0


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    done = CliRunner().invoke(build(None), ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"mandaat {project['version']}\n")


@pytest.mark.parametrize(
    ("name", "told"),
    [("decide", "pretty-printed"), ("topics", "MANDAAT_PARTITIONS"), ("demo", "exit code is 1")],
)
def test_the_help_of_a_command_says_more_than_the_list(name: str, told: str) -> None:
    done = CliRunner().invoke(build(name), [name, "--help"], env={"COLUMNS": "200"})
    assert told in done.stdout


def test_an_unknown_command_exits_with_2() -> None:
    assert CliRunner().invoke(build("zookeeper"), ["zookeeper"]).exit_code == 2


def test_an_unknown_service_exits_with_2() -> None:
    assert CliRunner().invoke(build("serve"), ["serve", "zookeeper"]).exit_code == 2


@pytest.mark.parametrize("name", ["topics", "dead-letters", "local", "serve"])
def test_other_commands_do_not_import_the_policy_engine(name: str) -> None:
    program = (
        f"import sys; from services.cli.app import build; build({name!r});"
        "print([each for each in sys.modules if each.startswith(('cel_expr_python', 'services.rules'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
