"""The words and the look of one tenant's letters."""

from __future__ import annotations

from typing import Final, NamedTuple

from services.notifier.letters.kind_labels import NO_LABELS, Labels


class TenantStyle(NamedTuple):
    """What a tenant calls kinds of request, the name under its letters, and its logo.

    `logo`: where the HTML finds the picture (`cid:...`), empty without one. All of it is text of people.
    """

    labels: Labels = NO_LABELS
    signature: str = ""
    logo: str = ""


USUAL_STYLE: Final = TenantStyle()
"""The letters of a tenant that has set nothing."""
