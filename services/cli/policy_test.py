"""`mandaat policy test`: run the tests that stand beside a policy (docs/policy-tests.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from engine.policy import PolicyBook, PolicyProblem
from engine.policy.problems import PolicyProblems
from engine.policy.yaml.reading import parse_yaml
from engine.policy_tests.names import people_of, unknown_names
from engine.policy_tests.plan import Plan, make_plan
from engine.policy_tests.running import RuleCoverage, run_test
from engine.policy_tests.shape import TestsFile, read_file
from services.cli.exit_codes import CALLED_WRONGLY, WRONG
from services.cli.policy_files import read_bytes, read_policy
from services.cli.record_files import records_of

ENDINGS: Final = ("*.test.yaml", "*.test.yml")


class Result(NamedTuple):
    """The number of tests of a file, those that passed, and whether the file could be used."""

    passed: int
    tests: int
    usable: bool = True


def run_tests(
    path: Annotated[Path, typer.Argument(help="A file of tests, or a folder with files *.test.yaml.")],
    every_rule: Annotated[
        bool, typer.Option("--every-rule", help="Fail if no test uses a rule of the policy.")
    ] = False,
) -> None:
    """Run policy tests: print one line each, and the differences of those that fail.

    Exit codes: 1 if a test fails or a file is wrong, 2 if there is nothing to run.
    """
    files = _files(path)
    if not files:
        typer.echo(f"{path}: there is no file {' or '.join(ENDINGS)} here", err=True)
        raise typer.Exit(CALLED_WRONGLY)
    covered: dict[Path, tuple[PolicyBook, RuleCoverage]] = {}
    results = [_run(file, covered) for file in files]
    untouched = {policy: coverage.untouched(book) for policy, (book, coverage) in covered.items()}
    for policy, rules in untouched.items():
        if rules:
            typer.echo(f"{policy}: no test is about {', '.join(f'{what} {name}' for what, name in rules)}")
    passed, total = sum(one.passed for one in results), sum(one.tests for one in results)
    unusable = sum(not one.usable for one in results)
    wrong = "; 1 file is wrong and was not run" if unusable else ""
    if unusable > 1:
        wrong = f"; {unusable} files are wrong and were not run"
    typer.echo(f"tests: {passed} passed, {total - passed} failed{wrong}")
    if unusable or passed != total or (every_rule and any(untouched.values())):
        raise typer.Exit(WRONG)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        typer.echo(f"{path}: there is no such file or folder", err=True)
        raise typer.Exit(CALLED_WRONGLY)
    if path.is_dir():
        return sorted({file for ending in ENDINGS for file in path.rglob(ending)})
    return [path]


def _run(file: Path, covered: dict[Path, tuple[PolicyBook, RuleCoverage]]) -> Result:
    """Run the tests of one file, and add the rules that they use to those of the same policy."""
    try:
        policy, book, plan = _load(file)
    except _UnusableError as flawed:
        typer.echo("\n".join(flawed.lines))
        return Result(0, 0, usable=False)
    coverage = covered.setdefault(policy, (book, RuleCoverage()))[1]
    passed = 0
    for one in plan.tests:
        differences = run_test(one, book, plan.staff, coverage)
        mark = "FAILED" if differences else "passed"
        typer.echo(f"{mark} {file}:{one.spot.line}: {one.name}")
        for difference in differences:
            typer.echo(f"       {file}:{difference.spot.line}: {difference.text}")
        passed += not differences
    return Result(passed, len(plan.tests))


class _UnusableError(Exception):
    """A file that cannot be used, with every problem."""

    def __init__(self, file: Path, problems: Sequence[PolicyProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.lines = [f"{file}:{problem}" for problem in sorted(dict.fromkeys(problems))]


def _load(file: Path) -> tuple[Path, PolicyBook, Plan]:
    """The policy and the plan. Raises _UnusableError."""
    try:
        text = read_bytes(file).decode()
    except UnicodeDecodeError as error:
        flaw = PolicyProblem(1, 1, f"not UTF-8: {error.reason} at byte {error.start}")
        raise _UnusableError(file, [flaw]) from error
    read, problems = read_file(text)
    if read is None:
        raise _UnusableError(file, [*problems, *_unknown_names(file, text)])
    policy = _beside(file, read, "policy", read.document.policy)
    book, found, _ = read_policy(policy)
    if book is None:
        raise _UnusableError(policy, [one for one in found if one.severity == "error"])
    staff = read.document.staff
    lines = _records(_beside(file, read, "staff", staff)) if isinstance(staff, str) else None
    plan = make_plan(read.document, read.tree, book, lines)
    wrong = [*plan.problems, *unknown_names(read.tree, book, people_of(read.tree, lines))]
    if wrong:
        raise _UnusableError(file, wrong)
    return policy, book, plan


def _unknown_names(file: Path, text: str) -> list[PolicyProblem]:
    """The unknown names of a file with a wrong shape, so that all problems are reported at once."""
    try:
        tree, _ = parse_yaml(text)
    except PolicyProblems:
        return []
    named = {key: tree.get(key) for key in ("policy", "staff")}
    paths = {key: file.parent / (node.text or "") for key, node in named.items() if node is not None}
    if "policy" not in paths or not paths["policy"].is_file():
        return []
    book, *_ = read_policy(paths["policy"])
    staff = paths.get("staff")
    lines = _records(staff) if staff is not None and staff.is_file() else None
    return [] if book is None else unknown_names(tree, book, people_of(tree, lines))


def _records(staff: Path) -> list[bytes]:
    return [record.body for record in records_of(read_bytes(staff).splitlines(keepends=True))]


def _beside(file: Path, read: TestsFile, key: str, named: str) -> Path:
    """The path of a file that the tests name, relative to theirs."""
    path = file.parent / named
    if not path.is_file():
        spot = read.tree.find((key,))[0].spot
        raise _UnusableError(file, [PolicyProblem(spot.line, spot.column, f"there is no file {path}")])
    return path
