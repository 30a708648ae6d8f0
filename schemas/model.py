"""What every model here has in common, and the texts and open objects they are made of."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, StringConstraints
from pydantic_core import PydanticCustomError

MAX_DEPTH = 32


class Frozen(BaseModel):
    """Frozen, strict about types (`"true"` is no boolean), and silent about keys it does not know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


def _open_object(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    check_open(value)
    return value


def check_open(value: JsonValue, depth: int = 3) -> None:
    """Refuse nesting past MAX_DEPTH (the object stands `depth` levels deep) and numbers that JSON lacks.

    Raises PydanticCustomError, of type `too_deep` or `not_finite`.
    """
    level: list[JsonValue] = [value]
    while level:
        if depth > MAX_DEPTH:
            raise PydanticCustomError("too_deep", "nested more than {most} levels deep", {"most": MAX_DEPTH})
        below: list[JsonValue] = []
        for item in level:
            for child in (
                item.values() if isinstance(item, dict) else item if isinstance(item, list) else (item,)
            ):
                if isinstance(child, dict | list):
                    below.append(child)
                elif isinstance(child, float) and not math.isfinite(child):
                    raise PydanticCustomError("not_finite", "NaN and infinity are no JSON numbers")
        level, depth = below, depth + 1


OpenObject = Annotated[dict[str, JsonValue], AfterValidator(_open_object)]
"""An open object of JSON scalars, lists and objects."""
Line = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line of text of a person: no control characters."""
Text = Annotated[str, StringConstraints(max_length=8000)]
"""Text of a person, of several lines maybe."""
