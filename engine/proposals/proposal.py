"""The interface of every proposal: the charges to try, and the records to publish afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from engine.events.envelope import Rendered
from engine.judging.budgets import BudgetUse, Charges
from engine.judging.conclusions import Reason


class Proposal(ABC):
    """A judged input, ready to be rendered once the ledger has given it a sequence.

    The defaults are those of an input that charges no budget and escalates nothing.
    """

    __slots__ = ()

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """The options that charge something, in the order to try them; the ledger charges at most one."""
        return ()

    @property
    def probes(self) -> Charges:
        """Charges that are only looked at: the ledger reads their use if no option had room."""
        return ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons that are known without the ledger."""
        return ()

    @property
    def approvers(self) -> tuple[str, ...]:
        """The people who are asked, if it is escalated: at most `MOST_NAMED` (engine/judging/ladder.py)."""
        return ()

    @abstractmethod
    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """The records of the journal, and their effects. `seq` is microseconds since 1970.

        `chosen_option`: which of `charge_options` the ledger charged, from 1; 0 for none.
        `used`: one for each charge of each option that failed before it, in order; for option 0 also one for
        each of `probes`.
        """
