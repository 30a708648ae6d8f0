"""The tenants with an active policy, and the people on the staff: only their ids, from two topics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches
from typing import Final, Protocol

from schemas.staff import staff_key
from schemas.topics import POLICIES, STAFF
from services.chassis.kafka.table import Table
from services.chassis.process.metrics import Metrics

READ_SECONDS: Final = 4.0
"""A caller over HTTP waits this long for the end of a topic, before an id counts as unknown."""
MOST_COMPARED: Final = 1_000
_ALIKE: Final = 0.8


class Directory(Protocol):
    """Knows tenants and people. It says that one is unknown only after it has read its topic to the end."""

    async def unknown_tenants(self, tenants: Collection[str]) -> set[str]:
        """Those of the tenants that have no active policy. Raises TryAgain if this cannot be told."""

    async def knows_person(self, tenant: str, agent_id: str) -> bool:
        """Whether the person is on the staff of the tenant. Raises TryAgain if this cannot be told."""

    def alike(self, tenant: str, agent_id: str) -> str | None:
        """The id on the staff of the tenant that is most like this one, if one is."""


class KafkaDirectory:
    """The directory of this process: it follows mandaat.policies and mandaat.staff without a group."""

    def __init__(self, *, bootstrap: str, metrics: Metrics, on_bug: Callable[[BaseException], None]) -> None:
        self._policies = Table(
            POLICIES,
            bootstrap=bootstrap,
            client_id="mandaat-intake-policies",
            metrics=metrics,
            parse=_exists,
            on_bug=on_bug,
        )
        self._staff = Table(
            STAFF,
            bootstrap=bootstrap,
            client_id="mandaat-intake-staff",
            metrics=metrics,
            parse=_exists,
            on_bug=on_bug,
        )

    async def start(self) -> None:
        """Returns when both topics are read to their ends. Waits for as long as Kafka is away."""
        await asyncio.gather(self._policies.start(), self._staff.start())

    async def stop(self) -> None:
        """Stops following."""
        await self._policies.stop()
        await self._staff.stop()

    def ready(self) -> str | None:
        """The text for /readyz if something is wrong, else None."""
        return self._policies.ready() or self._staff.ready()

    async def unknown_tenants(self, tenants: Collection[str]) -> set[str]:
        """Those of the tenants that have no active policy. Raises TryAgain."""
        if any(self._policies.get(tenant) is None for tenant in tenants):
            await self._policies.read_to_end(READ_SECONDS)
        return {tenant for tenant in tenants if self._policies.get(tenant) is None}

    async def knows_person(self, tenant: str, agent_id: str) -> bool:
        """Whether the person is on the staff of the tenant. Raises TryAgain."""
        key = staff_key(tenant, agent_id)
        if self._staff.get(key) is None:
            await self._staff.read_to_end(READ_SECONDS)
        return self._staff.get(key) is not None

    def alike(self, tenant: str, agent_id: str) -> str | None:
        """The id on the staff of the tenant that is most like this one, if one is."""
        prefix = staff_key(tenant, "")
        return most_alike(
            agent_id, (key.removeprefix(prefix) for key, _ in self._staff.items() if key.startswith(prefix))
        )


def most_alike(given: str, known: Iterable[str]) -> str | None:
    """The known id that differs only in its case, or else in few characters."""
    forms = {one.casefold(): one for one in known}
    form = given.casefold()
    if form in forms:
        return forms[form]
    if len(forms) > MOST_COMPARED:  # comparing them all would take a tenth of a second
        return None
    found = get_close_matches(form, forms, n=1, cutoff=_ALIKE)
    return forms[found[0]] if found else None


def _exists(_key: str, _value: bytes) -> bool:
    """Rules reads the value. Here a row that rules cannot use counts as known, so it is never refused."""
    return True
