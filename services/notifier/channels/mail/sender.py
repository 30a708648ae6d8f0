"""The senders of mail: one for all tenants, and those that tenants have of their own.

MANDAAT_SENDERS_FILE holds one JSON object on each line: `{"tenant", "from"?, "name"?, "logo"?}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from schemas.ids import Tenant
from schemas.model import Frozen, Line
from schemas.reading import first_flaw
from services.chassis.process.watched_file import WatchedFile
from services.notifier.channels.mail.address import named_address

MOST_LOGO_BYTES: Final = 100 * 1024
_BEGINS: Final[Mapping[bytes, Literal["png", "jpeg"]]] = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
}


@dataclass(frozen=True)
class Logo:
    """A picture that is sent within the mail, so that the reader's program fetches nothing."""

    content: bytes
    subtype: Literal["png", "jpeg"]


@dataclass(frozen=True)
class Sender:
    """The name and address in From, the address for answers, and what letters show of a tenant.

    `signature`: the name under letters to customers; empty for the usual one.
    """

    name: str
    address: str
    reply_to: str | None = None
    signature: str = ""
    logo: Logo | None = None

    @property
    def domain(self) -> str:
        """The domain of the address."""
        return self.address.rpartition("@")[2]


class _Entry(Frozen):
    model_config = ConfigDict(extra="forbid")

    tenant: Tenant
    from_: Line | None = Field(default=None, alias="from")
    name: Annotated[Line, Field(min_length=1, max_length=100)] | None = None
    logo: Annotated[Line, Field(min_length=1)] | None = None


class Senders:
    """The sender of each tenant. `own` gives the tenants' own senders, as they are now."""

    def __init__(self, default: Sender, own: Callable[[], Mapping[str, Sender]] = dict) -> None:
        self.default: Final = default
        """It also gives the domain of Message-IDs, which stay the same when a tenant's sender changes."""
        self._own = own

    def of(self, tenant: str) -> Sender:
        """The sender of a tenant's mail."""
        return self._own().get(tenant, self.default)


def watch_senders(path: Path | None, default: Sender) -> Senders:
    """The senders, as the file has them now. Raises ConfigurationError with the line of a mistake."""
    if path is None:
        return Senders(default)
    parse = partial(read_senders, default=default, folder=path.parent)
    return Senders(
        default, WatchedFile(path, name="senders", setting="MANDAAT_SENDERS_FILE", parse=parse).get
    )


def read_senders(text: str, *, default: Sender, folder: Path) -> Mapping[str, Sender]:
    """The senders by tenant, with logos from `folder`. Raises ValueError with the line's number."""
    senders: dict[str, Sender] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = _Entry.model_validate_json(line)
            if entry.tenant in senders:
                raise ValueError(f"tenant {entry.tenant} has a sender already")
            senders[entry.tenant] = _sender(entry, default, folder)
        except ValidationError as error:
            raise ValueError(f"line {number}: {first_flaw(error)}") from None
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return senders


def _sender(entry: _Entry, default: Sender, folder: Path) -> Sender:
    sender = default
    if entry.from_ is not None:
        try:
            name, address = named_address(entry.from_)
        except ValueError as error:
            raise ValueError(f"from: {error}") from None
        sender = replace(sender, name=name or sender.name, address=address)
    if entry.name is not None:
        sender = replace(sender, name=entry.name, signature=entry.name)
    if entry.logo is not None:
        sender = replace(sender, logo=_read_logo(folder / entry.logo))
    return sender


def _read_logo(path: Path) -> Logo:
    try:
        with path.open("rb") as opened:
            content = opened.read(MOST_LOGO_BYTES + 1)
    except OSError as error:
        raise ValueError(f"logo: {path}: {error.strerror}") from None
    if len(content) > MOST_LOGO_BYTES:
        raise ValueError(f"logo: {path} is larger than {MOST_LOGO_BYTES // 1024} kB; make it smaller")
    for begin, subtype in _BEGINS.items():
        if content.startswith(begin):
            return Logo(content, subtype)
    raise ValueError(f"logo: {path} is neither a PNG nor a JPEG file")
