"""The examples of schemas/examples, found by topic, version and name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from schemas import types
from schemas.cloud_event import CloudEvent
from schemas.topics import DEAD_LETTERS, INBOUND, RECORDS

FOLDER: Final = Path(__file__).parents[2] / "schemas" / "examples"


@dataclass(frozen=True)
class Example:
    """One record in a file, named after the type without `mandaat.` and version, then `--` and a variant."""

    path: Path

    @property
    def topic(self) -> str:
        return self.path.parts[-3]

    @property
    def version(self) -> str:
        return self.path.parts[-2]

    @property
    def name(self) -> str:
        return self.path.stem.partition("--")[0]

    @property
    def event_type(self) -> str:
        return f"mandaat.{self.name}.{self.version}"

    @cached_property
    def value(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def json(self) -> Any:
        return json.loads(self.value)

    @cached_property
    def record(self) -> dict[str, Any]:
        """Key and headers, if they do not follow from the value."""
        return json.loads(self.path.with_suffix(".record.json").read_bytes())  # type: ignore[no-any-return]  # JSON

    @property
    def model(self) -> type[Any]:
        """The model of the value."""
        if self.topic in RECORDS:
            return RECORDS[self.topic]
        if self.topic == INBOUND:
            model: Any = types.INBOUND_MODELS[self.event_type]
            return CloudEvent[model] if self.path.stem.endswith("--structured") else model
        return types.event_model(self.event_type)

    def __str__(self) -> str:
        return f"{self.topic}/{self.path.stem}"


EXAMPLES: Final = [
    Example(path) for path in sorted(FOLDER.glob("*/*/*.json")) if not path.stem.endswith(".record")
]
EVENTS: Final = [one for one in EXAMPLES if one.topic not in (*RECORDS, INBOUND, DEAD_LETTERS)]


def example(topic: str, stem: str) -> Example:
    """The example of that name."""
    return Example(FOLDER / topic / "v1" / f"{stem}.json")
