"""Every probe of the dry run, in the order of display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.dry_run import authentication, leftovers, limits, permissions, schema, target, volume

if TYPE_CHECKING:
    from tui.dry_run.probe import Probe

PROBES: Final[tuple[Probe, ...]] = (
    *target.PROBES,
    *authentication.PROBES,
    *schema.PROBES,
    *permissions.PROBES,
    *limits.PROBES,
    *leftovers.PROBES,
    *volume.PROBES,
)

_BY_ID: Final = {probe.id: probe for probe in PROBES}


def probe_of(probe_id: str) -> Probe:
    """The probe of this id."""
    return _BY_ID[probe_id]
