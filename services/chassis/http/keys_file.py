"""The lines of the file with the keys of callers (docs/keys.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from schemas.ids import NewId, Tenant
from schemas.reading import first_flaw

Scope = Literal["submit", "reply", "read", "backfill"]
ID_DIGITS: Final = 12


@dataclass(frozen=True)
class Caller:
    """The tenant of a key, and what the key may do.

    `agents`: the key asks only as these; None means as anybody. `facts`: without it, the facts that the
    caller sends count as claims. `strict`: unknown keys in a body are refused.
    """

    tenant: str
    scopes: frozenset[str]
    agents: frozenset[str] | None = None
    facts: bool = True
    expires: datetime | None = None
    strict: bool = False


def expiry_of(given: Any) -> Any:
    """The time of an expiry: a time with its zone, or a date, which lasts to its end in UTC.

    Raises PydanticCustomError for anything else.
    """
    if isinstance(given, datetime):
        return given
    try:
        if isinstance(given, str) and len(given) == len("2026-12-31"):
            return datetime.combine(date.fromisoformat(given) + timedelta(days=1), time(), UTC)
        moment = datetime.fromisoformat(given)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise PydanticCustomError(
        "expiry", "must be a date such as 2026-12-31, or a time with its zone: 2026-12-31T18:00:00+01:00"
    )


class KeyLine(BaseModel):
    """One line: one key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]
    tenant: Tenant
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    agents: Annotated[tuple[NewId, ...], Field(min_length=1)] | None = None
    facts: bool = True
    expires: Annotated[AwareDatetime, BeforeValidator(expiry_of)] | None = None
    strict: bool = False

    @property
    def digest(self) -> str:
        """The digest in lower case."""
        return self.sha256.lower()

    @property
    def id(self) -> str:
        """The id that people use for this key: the start of its digest."""
        return self.digest[:ID_DIGITS]

    @property
    def caller(self) -> Caller:
        """The tenant and the limits of the key."""
        return Caller(
            tenant=self.tenant,
            scopes=frozenset(self.scopes),
            agents=None if self.agents is None else frozenset(self.agents),
            facts=self.facts,
            expires=self.expires,
            strict=self.strict,
        )


def read_line(line: str) -> KeyLine:
    """One key. Raises ValueError, which never repeats the line."""
    try:
        return KeyLine.model_validate_json(line)
    except ValidationError as error:
        raise ValueError(first_flaw(error)) from None


def is_comment(line: str) -> bool:
    """Whether a line holds no key: it is empty, or begins with `#`."""
    return not line.strip() or line.lstrip().startswith("#")


def read_keys(text: str) -> dict[str, KeyLine]:
    """The keys by digest. Raises ValueError with the number of a line that is wrong."""
    found: dict[str, KeyLine] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if is_comment(line):
            continue
        try:
            key = read_line(line)
        except ValueError as problem:
            raise ValueError(f"line {number}: {problem}") from None
        if key.digest in found:
            raise ValueError(f"line {number}: this key appears twice")
        found[key.digest] = key
    return found
