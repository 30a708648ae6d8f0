"""The interface of every proposal: the charges to try, and the records to publish afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from engine.events.envelope import Rendered
from engine.judging.budgets import BudgetUse, Charges
from engine.judging.conclusions import Reason


class Proposal(ABC):
    """A judged input. It can be rendered once the ledger has given it a sequence.

    The defaults fit an input that charges no budget and is not escalated.
    """

    __slots__ = ()

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """The charge options, in the order to try them. The ledger charges at most one."""
        return ()

    @property
    def probes(self) -> Charges:
        """Charges that the ledger only looks at: it returns their use if no option had room."""
        return ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons that are known without the ledger."""
        return ()

    @property
    def approvers(self) -> tuple[str, ...]:
        """The people who are asked if it is escalated, at most `MOST_NAMED` (engine/judging/ladder.py)."""
        return ()

    @abstractmethod
    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """The records of the journal, and their effects. `seq` is microseconds since 1970.

        `chosen_option`: the number, from 1, of the option in `charge_options` that the ledger charged; 0 if
        it charged none. `used`: one entry for each charge of the options before the chosen one, in order. If
        no option was chosen, `used` covers all options, and then all `probes`.
        """
