"""Write the files that are made from the models. `python -m schemas.export --check` reports outdated ones."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from schemas import asyncapi, json_schema
from schemas.tables import with_tables

HERE: Final = Path(__file__).parent
PAGE: Final = HERE.parent / "docs" / "contracts.md"
FOLDERS: Final = ("events", "records", "bodies")
"""The folders of schemas/json in which every file is made here."""


def exports() -> dict[Path, str]:
    """All files that are made, with their texts."""
    schemas = {HERE / "json" / name: schema for name, schema in json_schema.files().items()}
    schemas[HERE / "asyncapi.json"] = asyncapi.document()
    texts = {path: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for path, value in schemas.items()}
    if PAGE.is_file():  # absent if only the packages are installed
        texts[PAGE] = with_tables(PAGE.read_text())
    return texts


def out_of_date(wanted: dict[Path, str]) -> list[Path]:
    """The files that differ, are missing, or should not exist."""
    existing = {path for folder in FOLDERS for path in (HERE / "json" / folder).glob("*")}
    differing = {path for path, text in wanted.items() if not path.is_file() or path.read_text() != text}
    return sorted(differing | (existing - set(wanted)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them. Return the exit code: 1 if --check finds a file out of date, else 0."""
    parser = argparse.ArgumentParser(prog="python -m schemas.export", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and exit 1 if a file is out of date"
    )
    check = parser.parse_args(arguments).check
    wanted = exports()
    for path in out_of_date(wanted):
        print(f"{'out of date' if check else 'writing'}: {path.relative_to(HERE.parent)}")
        if check:
            continue
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    return 1 if check and out_of_date(wanted) else 0


if __name__ == "__main__":
    raise SystemExit(main())
