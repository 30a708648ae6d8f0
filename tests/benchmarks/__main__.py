"""`make bench`, `make bench ONLY="copy latency"`: measure, and write down the figures."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import signal
import sys
import time

from tests.benchmarks import report
from tests.benchmarks.parts import PARTS
from tests.benchmarks.rows import SMALL, Row, ShowProgress, Size


def main() -> int:
    """Run the chosen parts. Exit code: 1 if an aim was missed."""
    asked = argparse.ArgumentParser(prog="make bench", description=__doc__)
    asked.add_argument("parts", nargs="*", help=f"the parts to run (default all): {', '.join(PARTS)}")
    asked.add_argument(
        "--small", action="store_true", help="check that it works, with few cases; write nothing"
    )
    asked.add_argument("--rounds", type=int, default=Size.rounds, help="the number of rounds of most parts")
    asked.add_argument(
        "--cases", type=int, default=Size.cases, help="the number of cases of a round in most parts"
    )
    asked.add_argument("--seconds", type=int, default=Size.seconds, help="the seconds of the part latency")
    asked.add_argument(
        "--journal", type=int, default=Size().journal, help="the number of decisions to rebuild"
    )
    asked.add_argument(
        "--agents", type=int, default=Size().agents, help="the number of agents of the large staff"
    )
    asked.add_argument("--dry", action="store_true", help="write nothing")
    given = asked.parse_args()
    unknown = set(given.parts) - PARTS.keys()
    if unknown:
        asked.error(f"unknown part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    size = SMALL if given.small else _size(given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left running
    missed = False
    for name in given.parts or PARTS:
        started = time.monotonic()
        with _Progress(name) as show_progress:
            rows = asyncio.run(_run(name, size, show_progress))
        sys.stdout.write(
            f"{name}: {time.monotonic() - started:.0f} s\n" + "\n".join(report.lines(rows)) + "\n"
        )
        sys.stdout.flush()
        if not given.small and not given.dry:
            report.keep(name, rows)
        missed = missed or any(row.as_json()["met"] is False for row in rows)
    return int(missed and not given.small)


async def _run(name: str, size: Size, show_progress: ShowProgress) -> list[Row]:
    return await PARTS[name](size, show_progress)


def _size(given: argparse.Namespace) -> Size:
    chosen = {field.name: getattr(given, field.name, None) for field in dataclasses.fields(Size)}
    return Size(**{name: value for name, value in chosen.items() if value is not None})


class _Progress:
    """One line that changes on a terminal, or a line each time elsewhere."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> ShowProgress:
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")

    def _tell(self, text: str) -> None:
        line = f"{self._part}: {text}"
        sys.stderr.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
