"""The places one can go to. Pure, and needed before anything else is loaded."""

from __future__ import annotations

from enum import StrEnum


class View(StrEnum):
    """A place one can go to. The first four are the checklist, in order."""

    TARGET = "target"
    DRY_RUN = "dry-run"
    REVIEW = "review"
    RUN = "run"
    HEATMAP = "heatmap"
    EVIDENCE = "evidence"

    @property
    def heading(self) -> str:
        """Its name as an operator reads it."""
        return self.value.replace("-", " ").capitalize()


CHECKLIST = (View.TARGET, View.DRY_RUN, View.REVIEW, View.RUN)
