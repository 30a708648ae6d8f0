"""`make mutate`: change the engine in one place at a time, and list the changes that no test notices.

The changes are those of cosmic-ray: operators, conditions, numbers, constants. Each is tried in a copy of
this tree, so the tree itself stays as it is. By default a sample is tried, always the same one for a seed.

A change that cannot be noticed, because the code then does the same, stands in `equal.jsonl` with the reason.
Exit code: 1 if a change was not noticed and does not stand there.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT: Final = Path(__file__).parents[2]
EQUAL: Final = Path(__file__).with_name("equal.jsonl")
TESTS: Final = ("tests/unit/engine",)
GIVE_UP_SECONDS: Final = 600.0
LEFT_OUT: Final = re.compile(
    "Bit|Shift|Pow|Mod|ExceptionReplacer|RemoveDecorator|Variable|(Eq|NotEq|Lt|LtE|Gt|GtE)_Is"
)
"""Operators whose changes are in annotations (`str | None`), break all, or hang on interned strings."""


class Mutant(NamedTuple):
    """One change of one line."""

    file: str
    line: int
    before: str
    after: str
    code: str

    @property
    def place(self) -> tuple[str, str, str]:
        """The change, wherever its line moves."""
        return self.file, self.before, self.after


def main() -> int:
    """Try a sample of the changes, and list those that live."""
    asked = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    asked.add_argument("under", nargs="*", default=["engine/judging"], help="folders or files to change")
    asked.add_argument("--seed", type=int, default=1, help="the seed of the sample")
    asked.add_argument("--sample", type=int, default=40, help="the number of changes to try; 0 tries all")
    asked.add_argument("--jobs", type=int, default=2, help="the number of copies that run at a time")
    given = asked.parse_args()
    mutants = [one for under in given.under for one in mutants_under(ROOT / under)]
    chosen = mutants
    if 0 < given.sample < len(mutants):
        chosen = random.Random(given.seed).sample(mutants, given.sample)
    print(f"{len(chosen)} of {len(mutants)} changes, seed {given.seed}", flush=True)
    survivors = list(_survivors(chosen, given.jobs))
    known = {(one["file"], one["before"], one["after"]) for one in _equal()}
    unknown = [one for one in survivors if one.place not in known]
    print(f"noticed: {len(chosen) - len(survivors)}, equal: {len(survivors) - len(unknown)}")
    print(f"not noticed: {len(unknown)}")
    return int(bool(unknown))


def mutants_under(place: Path) -> Iterator[Mutant]:
    """All changes of the files of a folder, or of one file, in a fixed order."""
    for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
        code = path.read_text()
        nodes = list(ast_nodes(get_ast(code)))
        seen: set[str] = set()
        for name in sorted(operator_names()):
            if LEFT_OUT.search(name):
                continue
            operator = get_operator(name)()
            number = sum(1 for node in nodes for _ in operator.mutation_positions(node))
            for occurrence in range(number):
                changed = mutate_code(code, operator, occurrence)
                if changed is not None and changed != code and changed not in seen:
                    seen.add(changed)
                    yield _mutant(path, code, changed)


def _mutant(path: Path, code: str, changed: str) -> Mutant:
    lines = zip(code.splitlines(), changed.splitlines(), strict=False)
    number, before, after = next((n, a, b) for n, (a, b) in enumerate(lines, 1) if a != b)
    return Mutant(str(path.relative_to(ROOT)), number, before.strip(), after.strip(), changed)


def _survivors(mutants: list[Mutant], jobs: int) -> Iterator[Mutant]:
    copies: SimpleQueue[Path] = SimpleQueue()
    folder = Path(tempfile.mkdtemp(prefix="mandaat-mutate-"))
    try:
        for n in range(jobs):
            copies.put(_copy(folder / str(n)))
        unchanged = mutants[0]._replace(code=(ROOT / mutants[0].file).read_text())
        if not _lives(unchanged, copies):
            raise SystemExit("The tests fail without any change. Run `make test` first.")
        with ThreadPoolExecutor(jobs) as pool:
            for mutant, lives in zip(
                mutants, pool.map(lambda one: _lives(one, copies), mutants), strict=True
            ):
                if lives:
                    print(f"{mutant.file}:{mutant.line}\n  - {mutant.before}\n  + {mutant.after}", flush=True)
                    yield mutant
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(to: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, target)
    return to


def _lives(mutant: Mutant, copies: SimpleQueue[Path]) -> bool:
    """Whether all tests pass with the change."""
    copy = copies.get()
    changed = copy / mutant.file
    before = changed.read_text()
    try:
        changed.write_text(mutant.code)
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-n", "0", *TESTS],
            cwd=copy,
            env={"PYTHONPATH": str(copy), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=GIVE_UP_SECONDS,
            check=False,
        )
        return ended.returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        changed.write_text(before)
        copies.put(copy)


def _equal() -> list[dict[str, str]]:
    return [json.loads(line) for line in EQUAL.read_text().splitlines() if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
