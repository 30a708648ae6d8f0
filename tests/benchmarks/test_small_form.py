from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from deploy.local.settings import free_ports
from deploy.local.stack import Stack, temporary_stack
from tests.benchmarks import other_frameworks, report
from tests.benchmarks.parts import PARTS
from tests.benchmarks.rows import SMALL, Row


@pytest.fixture(scope="module")
def one_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with temporary_stack(tmp_path_factory.mktemp("bench"), free_ports()) as stack:
        yield stack


@pytest.mark.parametrize("name", PARTS)
async def test_every_part_works_and_decides_correctly(name: str, one_stack: Stack) -> None:
    said: list[str] = []
    rows = await PARTS[name](replace(SMALL, stack=one_stack), said.append)

    assert said
    assert rows
    assert all(row.rounds for row in rows)
    assert not any("without a decision" in row.what for row in rows)
    if name == "frameworks":
        assert len(rows) == 2 + other_frameworks.has_quix()


def test_the_table_of_the_page_is_made_from_the_figures() -> None:
    parts = json.loads(report.JSON.read_text())["parts"]
    _, _, rest = report.PAGE.read_text().partition(report.BEGIN)

    assert set(parts) <= set(PARTS)
    assert rest.partition(report.END)[0] == report.table(parts)


def test_a_missed_aim_is_marked() -> None:
    row = Row("worker", "copies", [7.0, 5.0, 9.0], "at most 6", 6.0).as_json()
    machine = {"cores": 2, "processor": "any"}
    written = report.table({"copy": {"machine": machine, "rows": [row]}})

    assert "| worker | 7.00 copies | 5.00 to 9.00 | at most 6 **(missed)** |" in written
