"""How synthetic rows are told from real ones.

The tag is kept from the script this console replaces, so that its orphans are found as well:
question slug `heatmap-verification-<run>-<n>`, user email `heatmap-<run>-<n>@example.com`. The
domain example.com is reserved (RFC 2606), so no learner can have such an address.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, date, datetime
from typing import Any, Final

PURPOSE: Final = "heatmap-verification"
_RUN: Final = r"[0-9A-Za-z]+(?:[-_][0-9A-Za-z]+)*"
_NUMBER: Final = r"[0-9]+"
_OURS: Final = re.compile(r"[0-9]{8}-[0-9a-f]{8}\Z", re.ASCII)
# The same text is sent to PostgreSQL (`match`), whose regular expressions agree with Python's
# here, except that `$` there never means "before a final newline": hence \Z in Python.
_SLUG: Final = re.compile(rf"heatmap-verification-({_RUN})-({_NUMBER})\Z", re.ASCII)
_EMAIL: Final = re.compile(rf"heatmap-({_RUN})-({_NUMBER})@example\.com\Z", re.ASCII)

SLUG_PREFIX: Final = "heatmap-verification-"
EMAIL_FRAGMENT: Final = "heatmap-"
ANY_SLUG: Final = rf"^heatmap-verification-{_RUN}-{_NUMBER}$"


def new_run_id(now: datetime | None = None) -> str:
    """A name for a run: its date in UTC, then 32 random bits, as in `20260131-9f3c21aa`."""
    return f"{(now or datetime.now(UTC)):%Y%m%d}-{secrets.token_hex(4)}"


def is_ours(run_id: str) -> bool:
    """Whether a run id has the form of `new_run_id`; those of the script before have another."""
    return _OURS.match(run_id) is not None


def run_date(run_id: str) -> date:
    """The date a run id of ours begins with.

    Raises:
        ValueError: The run id was not made by `new_run_id`.
    """
    return datetime.strptime(run_id.partition("-")[0], "%Y%m%d").replace(tzinfo=UTC).date()


def slug(run_id: str, number: int) -> str:
    """Slug of a run's question."""
    return f"heatmap-verification-{run_id}-{number}"


def label(text: str) -> str:
    """A slug as a question is called on a screen: ours without what all of them begin with."""
    return text.removeprefix(SLUG_PREFIX)


def email(run_id: str, number: int) -> str:
    """Email of a run's user."""
    return f"heatmap-{run_id}-{number}@example.com"


def marker(run_id: str) -> dict[str, Any]:
    """What a run's users carry as `app_metadata` and `user_metadata`."""
    return {"synthetic": True, "purpose": PURPOSE, "run": run_id}


def slug_pattern(run_id: str | None) -> str:
    """Regular expression, for PostgreSQL, of the slugs of one run, or of any when None."""
    if run_id is None:
        return ANY_SLUG
    return rf"^heatmap-verification-{re.escape(run_id)}-{_NUMBER}$"


def run_of_slug(text: str) -> str | None:
    """The run a question belongs to, or None when it is not synthetic."""
    found = _SLUG.match(text)
    return found[1] if found else None


def run_of_email(text: str) -> str | None:
    """The run a user belongs to, or None when the address is not synthetic."""
    found = _EMAIL.match(text)
    return found[1] if found else None
