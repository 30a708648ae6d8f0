"""The catalogue: one entry for each reason. engine/reasons.py makes reasons from it.

The journal keeps the sentences of `event` for ever, so do not change them without need. The sentences of
`letter` and `explain` may be improved at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.reasons.entry import ReasonEntry, Sentence

_ENTRIES: Final = (
    ReasonEntry(
        "prohibited",
        about="request",
        meaning="a prohibition applies. `reason` is the text in the policy, and `except` lists the roles that"
        " it exempts",
        figures=("reason", "except"),
        event={"": "{reason}"},
        letter={
            "": Sentence(
                nl="Regel “{prohibition}” verbiedt dit: {reason}",
                en="Rule “{prohibition}” forbids this: {reason}",
            ),
            "except": Sentence(
                nl="Volgens regel “{prohibition}” mag niemand dit, behalve {except}: {reason}",
                en="Rule “{prohibition}” forbids this, except for {except}: {reason}",
            ),
        },
    ),
    ReasonEntry(
        "condition_not_met",
        about="mandate",
        meaning="its `when` is false",
        figures=(),
        event={"": "Mandate {mandate} does not apply: its condition is not met."},
        letter={
            "": Sentence(
                nl="Aan de voorwaarde van mandaat “{mandate}” is niet voldaan.",
                en="The condition of mandate “{mandate}” is not met.",
            ),
        },
        explain=Sentence(
            nl="{mandate}: past niet, want de voorwaarde klopt niet.",
            en="{mandate}: does not fit, because its condition is false.",
        ),
    ),
    ReasonEntry(
        "fact_missing",
        about="mandate",
        meaning="its `when` or `limit` needs a fact that the case does not have",
        figures=("fact",),
        event={
            "condition": "The condition of mandate {mandate} cannot be judged: {error}.",
            "limit": "The limit of mandate {mandate} cannot be worked out: {error}.",
            "prohibition": "Prohibition {prohibition} cannot be judged: {error}.",
        },
        letter={
            "": Sentence(
                nl="Voor mandaat “{mandate}” is {fact} nodig, maar dat ontbreekt in de zaak.",
                en="Mandate “{mandate}” needs {fact}, which the case does not have.",
            ),
            "prohibition": Sentence(
                nl="Het is onduidelijk of regel “{prohibition}” dit verbiedt: {fact} ontbreekt in de zaak.",
                en="It is unclear whether rule “{prohibition}” forbids this: the case does not have {fact}.",
            ),
        },
        explain=Sentence(
            nl="{mandate}: past niet, want er ontbreekt een gegeven.",
            en="{mandate}: does not fit, because a fact is missing.",
        ),
    ),
    ReasonEntry(
        "condition_error",
        about="mandate",
        meaning="its `when` or `limit` cannot be evaluated: for example, a text is found where a number is"
        " needed, or the result is not finite",
        figures=("error",),
        event={
            "condition": "The condition of mandate {mandate} cannot be judged: {error}.",
            "limit": "The limit of mandate {mandate} cannot be worked out: {error}.",
            "prohibition": "Prohibition {prohibition} cannot be judged: {error}.",
        },
        letter={
            "": Sentence(
                nl="De voorwaarde van mandaat “{mandate}” kon met deze gegevens niet worden beoordeeld.",
                en="The condition of mandate “{mandate}” could not be judged on these facts.",
            ),
            "prohibition": Sentence(
                nl="Met deze gegevens kon niet worden beoordeeld of regel “{prohibition}” dit verbiedt.",
                en="These facts are not enough to judge whether rule “{prohibition}” forbids this.",
            ),
        },
        explain=Sentence(
            nl="{mandate}: past niet, want het is met deze gegevens niet te beoordelen.",
            en="{mandate}: does not fit, because it cannot be judged with these facts.",
        ),
    ),
    ReasonEntry(
        "amount_missing",
        about="mandate",
        meaning="it has a limit or a budget in money, and the request has no amount",
        figures=(),
        event={
            "limit": "Mandate {mandate} has a limit, and the request names no amount.",
            "budget": "Mandate {mandate} has a budget in money, and the request names no amount.",
        },
        letter={
            "": Sentence(
                nl="Voor mandaat “{mandate}” is een bedrag nodig, maar het verzoek noemt er geen.",
                en="Mandate “{mandate}” needs an amount, but the request has none.",
            ),
        },
        explain=Sentence(
            nl="{mandate}: past niet, want het verzoek noemt geen bedrag.",
            en="{mandate}: does not fit, because the request has no amount.",
        ),
    ),
    ReasonEntry(
        "over_limit",
        about="mandate",
        meaning="the amount is above its limit",
        figures=("limit", "amount", "currency"),
        event={"": "Mandate {mandate} goes up to {limit} {currency}, and {amount} is asked."},
        letter={
            "": Sentence(
                nl="Mandaat “{mandate}” gaat tot {limit}.",
                en="Mandate “{mandate}” goes up to {limit}.",
            ),
        },
        explain=Sentence(
            nl="{mandate}: past niet, want het bedrag ligt boven de grens.",
            en="{mandate}: does not fit, because the amount is over its limit.",
        ),
    ),
    ReasonEntry(
        "budget_exhausted",
        about="mandate",
        meaning="one of its budgets has no room; the first such budget is named. `renews_at` is null if the"
        " budget can never have room for it. Only a budget in money gives `amount` and `currency`",
        figures=("budget", "left", "renews_at", "timezone", "amount", "currency"),
        event={
            "money": "Mandate {mandate}: budget {budget} of {scope} has {left} {currency} left, and {amount}"
            " is asked; not before {renews_at}.",
            "money.never": "Mandate {mandate}: budget {budget} of {scope} has {left} {currency} left, and"
            " {amount} is asked; not for so much at any time.",
            "count": "Mandate {mandate}: budget {budget} of {scope} has {left} left; not before {renews_at}.",
            "count.never": "Mandate {mandate}: budget {budget} of {scope} has {left} left; not for so much at"
            " any time.",
        },
        letter={
            "": Sentence(
                nl="In budget “{budget}” is nog {left} over.",
                en="The budget “{budget}” has {left} left.",
            ),
            "count": Sentence(
                nl="Budget “{budget}” is op.",
                en="The budget “{budget}” is used up.",
            ),
            "more": Sentence(
                nl="Vanaf {renews_at} is er weer ruimte.",
                en="There is room again from {renews_at}.",
            ),
            "never": Sentence(
                nl="Zoveel past nooit in dit budget.",
                en="The request is larger than the whole budget.",
            ),
        },
        explain=Sentence(
            nl="{mandate}: past niet, want er is te weinig budget over.",
            en="{mandate}: does not fit, because too little budget is left.",
        ),
    ),
    ReasonEntry(
        "discretion_needs_reason",
        about="mandate",
        meaning="it is at discretion, and the request gives no reason",
        figures=(),
        event={"": "Mandate {mandate} is for discretion, and discretion needs a reason."},
        letter={
            "": Sentence(
                nl="Mandaat “{mandate}” is voor besluiten naar eigen inzicht, en daar hoort een reden bij.",
                en="Mandate “{mandate}” allows discretion, but only with a reason.",
            ),
        },
        explain=Sentence(
            nl="{mandate}: past niet, want bij een besluit naar eigen inzicht hoort een reden.",
            en="{mandate}: does not fit, because discretion needs a reason.",
        ),
    ),
    ReasonEntry(
        "no_mandate",
        about="request",
        meaning="no mandate grants this kind to the agent's role",
        figures=("role", "kind"),
        event={"": "No mandate lets the role {role} grant {kind} in this case."},
        letter={
            "": Sentence(
                nl="Geen mandaat van deze rol geldt voor dit soort verzoek.",
                en="No mandate of this role covers this kind of request.",
            ),
        },
        explain=Sentence(
            nl="De rol {role} heeft in deze zaak geen mandaat voor “{kind}”.",
            en="No mandate lets the role {role} grant “{kind}” in this case.",
        ),
    ),
    ReasonEntry(
        "unknown_agent",
        about="request",
        meaning="the agent is not in the staff records, or the case names no agent",
        figures=("agent",),
        event={
            "": "Nobody of the staff has the id {agent}.",
            "none": "The case names no agent.",
        },
        letter={
            "": Sentence(
                nl="De aanvrager staat niet in het personeelsbestand.",
                en="The person who asked is not in the staff records.",
            ),
        },
        explain=Sentence(
            nl="De aanvrager staat niet in het personeelsbestand; er is geen mandaat geprobeerd.",
            en="The agent is not in the staff records; no mandate was tried.",
        ),
    ),
    ReasonEntry(
        "unknown_role",
        about="request",
        meaning="the policy does not have the agent's role",
        figures=("role",),
        event={"": "The policy knows no role {role}."},
        letter={
            "": Sentence(
                nl="Het beleid kent de rol van de aanvrager niet.",
                en="The policy does not have the role of the person who asked.",
            ),
        },
        explain=Sentence(
            nl="Het beleid kent de rol {role} niet; er is geen mandaat geprobeerd.",
            en="The policy has no role {role}; no mandate was tried.",
        ),
    ),
    ReasonEntry(
        "currency_not_covered",
        about="request",
        meaning="the amount is in another currency than the policy",
        figures=("currency", "covered"),
        event={"": "The policy's amounts are in {covered}, and the request is in {currency}."},
        letter={
            "": Sentence(
                nl="Het beleid geldt niet voor bedragen in {currency}.",
                en="The policy does not cover amounts in {currency}.",
            ),
        },
        explain=Sentence(
            nl="Het beleid geldt voor bedragen in {covered}, maar het gevraagde bedrag is in {currency};"
            " er is geen mandaat geprobeerd.",
            en="The policy covers amounts in {covered}, but the requested amount is in {currency};"
            " no mandate was tried.",
        ),
    ),
    ReasonEntry(
        "nobody_may_grant",
        about="request",
        meaning="nobody on the ladder may grant it, and `when_nobody` is `refuse`",
        figures=("steps",),
        event={"": "Nobody on the ladder ({steps}) may grant this."},
        letter={
            "": Sentence(
                nl="Niemand aan wie dit kan worden voorgelegd, mag het toekennen.",
                en="Nobody who could be asked may grant this.",
            ),
        },
        explain=Sentence(
            nl="Niemand op de ladder ({steps}) mag dit toekennen.",
            en="Nobody on the ladder ({steps}) may grant this.",
        ),
    ),
    ReasonEntry(
        "own_request",
        about="reply",
        meaning="the person who replies is the agent who made the request",
        figures=(),
        event={"": "Who asked for it cannot answer it."},
        letter={
            "": Sentence(
                nl="Je kunt niet over je eigen verzoek beslissen.",
                en="You cannot decide on your own request.",
            ),
        },
    ),
    ReasonEntry(
        "stood_in",
        about="reply",
        meaning="the person who replies stood in for the agent who made the request",
        figures=("agent",),
        event={"": "{agent} stood in for the agent who asked for it."},
        letter={
            "": Sentence(
                nl="Je verving de collega die dit heeft gevraagd.",
                en="You stood in for the colleague who asked for this.",
            ),
        },
    ),
    ReasonEntry(
        "absent",
        about="reply",
        meaning="the person who replies is absent",
        figures=("agent",),
        event={"": "{agent} is absent at this moment."},
        letter={
            "": Sentence(
                nl="Je staat op dit moment als afwezig geregistreerd.",
                en="You are registered as absent at the moment.",
            ),
        },
    ),
    ReasonEntry(
        "not_an_approver",
        about="reply",
        meaning="the person who replies has neither the role of the step nor one that extends it",
        figures=("agent", "step"),
        event={"": "{agent} is not one of those who may answer as {step} here."},
        letter={
            "": Sentence(
                nl="Dit verzoek is aan anderen voorgelegd ({step}).",
                en="Other people were asked to answer this request ({step}).",
            ),
        },
    ),
    ReasonEntry(
        "amount_unreadable",
        about="reply",
        meaning="the verdict approves an amount that is not valid in the currency",
        figures=("error",),
        event={"": "The amount cannot be read: {error}."},
        letter={
            "": Sentence(
                nl="Het bedrag dat je hebt ingevuld, kon niet worden gelezen.",
                en="The amount that you named is not a valid amount.",
            ),
        },
    ),
    ReasonEntry(
        "withdrawn",
        about="request",
        meaning="the request was withdrawn, by `agent` and for `reason` if these are known",
        figures=("agent", "reason"),
        event={
            "": "It was withdrawn.",
            "reason": "It was withdrawn: {reason}",
        },
    ),
)

CATALOGUE: Final[Mapping[str, ReasonEntry]] = {entry.code: entry for entry in _ENTRIES}
"""The entries by code."""
