"""Keeping the figures: benchmarks.json, and the table of docs/speed.md that is made from it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.rows import Row

ROOT: Final = Path(__file__).parents[2]
JSON: Final = ROOT / "benchmarks.json"
PAGE: Final = ROOT / "docs" / "speed.md"
BEGIN, END = "<!-- figures, by make bench -->\n", "<!-- end of figures -->\n"
LIBRARIES: Final = ("aiokafka", "faststream", "pydantic", "redis", "cel-expr-python")


def keep(part: str, rows: Iterable[Row]) -> None:
    """Replace the figures of a part, and rewrite the table."""
    known = json.loads(JSON.read_text()) if JSON.exists() else {"parts": {}}
    known["parts"][part] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": [row.as_json() for row in rows],
    }
    JSON.write_text(json.dumps(known, indent=2) + "\n")
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + table(known["parts"]) + END + after)


def machine() -> dict[str, Any]:
    """The machine of the measurement."""
    return {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "processor": _processor(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def table(parts: Mapping[str, Any]) -> str:
    """The table of all figures, in Markdown."""
    lines = ["", "| what | median | spread | aim |", "|---|---|---|---|"]
    for part in parts.values():
        for row in part["rows"]:
            spread = f"{_text(row['lowest'])} to {_text(row['highest'])}" if len(row["rounds"]) > 1 else ""
            missed = " **(missed)**" if row["met"] is False else ""
            lines.append(
                f"| {row['what']} | {_text(row['median'])} {row['unit']} | {spread} | {row['aim']}{missed} |"
            )
    where = {f"{part['machine']['cores']} cores of {part['machine']['processor']}" for part in parts.values()}
    return "\n".join([*lines, "", f"Measured on {', '.join(sorted(where))}.", ""]) + "\n"


def lines(rows: Iterable[Row]) -> list[str]:
    """The rows as text for a terminal."""
    return [
        f"  {row.what}: {_text(row.median)} {row.unit}"
        + (f" ({_text(min(row.rounds))} to {_text(max(row.rounds))})" if len(row.rounds) > 1 else "")
        + (f", aim: {row.aim}" if row.aim else "")
        for row in rows
    ]


def _text(figure: float) -> str:
    if abs(figure) >= 1_000:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 20 else f"{figure:.2f}"


def _processor() -> str:
    try:
        said = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in said.splitlines() if "model name" in line), "")
