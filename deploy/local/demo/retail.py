"""The cases of deploy/local/retail, and the outcome that each must have."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "retail"
TENANT = "retail"


@dataclass(frozen=True)
class RetailCase:
    """A case as its source would send it, and the outcome that its first decision must have."""

    case_id: str
    kind: str
    expected: str
    body: dict[str, Any]


def retail_cases() -> list[RetailCase]:
    """All 1,166 cases, in the order of the file."""
    with (FOLDER / "expected.csv").open(encoding="utf-8", newline="") as table:
        expected = {row["case_id"]: row["expected"] for row in csv.DictReader(table)}
    lines = (FOLDER / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    bodies = [json.loads(line) for line in lines]
    return [
        RetailCase(body["case_id"], body["request"]["kind"], expected[body["case_id"]], body)
        for body in bodies
    ]
