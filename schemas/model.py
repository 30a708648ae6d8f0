"""The base class of all models, and the types of their texts and open objects."""

from __future__ import annotations

import math
import sys
from functools import cache, cached_property
from typing import Annotated, Any, Final, Self, TypeVar, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, StringConstraints
from pydantic_core import PydanticCustomError

MAX_DEPTH: Final = 32
"""The most levels of nesting in a case, including the case itself, but not the envelope around it."""
ENVELOPE_DEPTH: Final = 3
"""The levels around a case in an event: the approval, the data and the envelope."""
_LARGEST: Final = int(sys.float_info.max)

Value = TypeVar("Value")


class cached(cached_property[Value]):  # noqa: N801 - written as `property` is
    """`cached_property` without the lock of Python 3.11. The lock takes longer than to compute our values."""

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Value: ...

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | Value:
        """The value, computed on first use."""
        if instance is None:
            return self
        value: Value = self.func(instance)
        instance.__dict__[str(self.attrname)] = value
        return value


class Frozen(BaseModel):
    """A model that is frozen, strict about types (`"true"` is not a boolean), and ignores unknown keys.

    Errors do not show the input, because they are logged and the input may contain a customer's name.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        serialize_by_alias=True,
        ignored_types=(cached,),
    )


Model = TypeVar("Model", bound=BaseModel)


def construct_trusted(model: type[Model], **fields: Any) -> Model:
    """Build a model from valid values, in a quarter of the time of `model_construct`.

    The caller must give all fields, in the order of the model. This is the order of the JSON.
    """
    one = model.__new__(model)
    set_ = object.__setattr__
    set_(one, "__dict__", fields)
    set_(one, "__pydantic_fields_set__", _fields_of(model))
    set_(one, "__pydantic_extra__", None)
    set_(one, "__pydantic_private__", None)
    return one


@cache
def _fields_of(model: type[BaseModel]) -> set[str]:
    return set(model.__pydantic_fields__)


def _open_object(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    check_open(value)
    return value


def check_open(value: JsonValue, depth: int = 2, most: int = MAX_DEPTH) -> None:
    """Check that a value has at most `most` levels, and only numbers that a double can hold.

    `depth`: the level of the value itself. Expressions calculate in doubles (docs/policy.md, Expressions), so
    integers that are too large for a double fail too.
    Raises PydanticCustomError, of type `too_deep` or `not_finite`.
    """
    level: list[JsonValue] = [value]
    while level:
        if depth > most:
            raise PydanticCustomError("too_deep", "nested more than {most} levels deep", {"most": MAX_DEPTH})
        below: list[JsonValue] = []
        for item in level:
            for child in (
                item.values() if isinstance(item, dict) else item if isinstance(item, list) else (item,)
            ):
                if isinstance(child, dict | list):
                    below.append(child)
                elif (isinstance(child, float) and not math.isfinite(child)) or (
                    isinstance(child, int) and abs(child) > _LARGEST
                ):
                    raise PydanticCustomError("not_finite", "holds a number that is not finite or too large")
        level, depth = below, depth + 1


def is_absent(value: object) -> bool:
    """Whether an optional field has no value. Events leave such fields out (`exclude_if`)."""
    return value is None


OpenObject = Annotated[dict[str, JsonValue], AfterValidator(_open_object)]
"""An open object of JSON scalars, lists and objects."""
Line = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line of text, without control characters."""
Text = Annotated[str, StringConstraints(max_length=8000)]
"""Text of one or more lines."""
