"""A finished run's verdict and figures, as an operator reads them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.content import Content

from tui.console.widgets.words import duration, milliseconds
from tui.verify.events import Mode, Outcome

if TYPE_CHECKING:
    from tui.console.widgets.glyphs import Glyphs
    from tui.console.widgets.progress import RunProgress
    from tui.verify.result import Result

_GOOD: Final = {Outcome.VERIFIED, Outcome.READY, Outcome.CLEAN}
_SERIOUS: Final = {Outcome.FAILED, Outcome.LEFTOVERS, Outcome.UNREACHABLE, Outcome.UNUSABLE}


def verdict(progress: RunProgress, glyphs: Glyphs) -> Content:
    """The verdict's word, its message, and what to do next.

    Args:
        progress: A run that has ended.
        glyphs: The signs to use.
    """
    finished = progress.finished
    if finished is None:
        return Content("")
    if finished.outcome in _GOOD:
        glyph, style = glyphs.done, "$ok bold"
    elif finished.outcome in _SERIOUS:
        glyph, style = glyphs.bad, "$bad bold"
    else:
        glyph, style = glyphs.warn, "$warn bold"
    lines = [
        Content.assemble(
            (f"{glyph} {finished.outcome.value.upper()}", style),
            "  ",
            (_without(finished.message, finished.outcome.value), "bold"),
        )
    ]
    if finished.hint:
        lines.append(Content.assemble(("To do: ", "$muted"), (finished.hint, "bold")))
    return Content("\n").join(lines)


def _without(message: str, word: str) -> str:
    """The message without the verdict's own word in front, which stands there already."""
    return message.removeprefix(f"{word}: ")


def figures(
    progress: RunProgress, result: Result | None, glyphs: Glyphs
) -> list[tuple[str, str | Content]]:
    """Rows, refresh times, the comparison, leftovers and the view's state.

    Args:
        progress: A run that has ended.
        result: Its folded figures, None where there are none.
        glyphs: The signs to use.
    """
    pairs: list[tuple[str, str | Content]] = []
    if progress.mode is Mode.CYCLE and result is not None:
        pairs.append(("Wrote", str(result.rows)))
        pairs.append(("Refresh", _refreshes(progress, glyphs)))
        pairs.append(("Checked", _check(progress, glyphs)))
    if progress.audit is not None:
        left = progress.audit.leftovers
        pairs.append(
            (
                "Left behind",
                _marked("nothing", good=True, glyphs=glyphs)
                if not left.total
                else _marked(str(left), good=False, glyphs=glyphs),
            )
        )
        if progress.mode is Mode.CYCLE:
            pairs.append(("View", _restored(progress, glyphs)))
    if progress.finished is not None:
        retries = f", {progress.retries} requests sent again" if progress.retries else ""
        pairs.append(("Took", f"{duration(progress.finished.seconds)}{retries}"))
    return pairs


def _marked(text: str, *, good: bool, glyphs: Glyphs) -> Content:
    glyph, style = (glyphs.ok, "$ok") if good else (glyphs.bad, "$bad bold")
    return Content.assemble((f"{glyph} ", style), (text, style if not good else ""))


def _refreshes(progress: RunProgress, glyphs: Glyphs) -> Content:
    timed = [each for each in progress.refreshes if not each.final]
    final = next((each for each in progress.refreshes if each.final), None)
    if not timed:
        return Content.styled("not timed", "$muted")
    parts = [("  ".join(milliseconds(each.ms) for each in timed), "bold")]
    if timed[0].server_ms is not None:
        parts.append((f"  ({milliseconds(timed[0].server_ms)} on the server)", "$muted"))
    if final is not None:
        parts.append((f"  {glyphs.sep} {milliseconds(final.ms)} after clean-up", "$muted"))
    return Content.assemble(*parts)


def _check(progress: RunProgress, glyphs: Glyphs) -> Content:
    check = progress.check
    if check is None:
        return Content.styled("not compared", "$muted")
    text = f"{check.matched:,} of {check.expected:,} rows equal in all eight columns"
    wrong = [
        f"{count:,} {word}"
        for count, word in (
            (check.mismatched, "different"),
            (check.missing, "missing"),
            (check.unexpected, "unexpected"),
        )
        if count
    ]
    return _marked(", ".join([text, *wrong]), good=check.right, glyphs=glyphs)


def _restored(progress: RunProgress, glyphs: Glyphs) -> Content:
    audit = progress.audit
    if audit is None or audit.view_restored is None:
        return Content.styled("could not be judged", "$muted")
    if audit.view_restored:
        return _marked("as before the run", good=True, glyphs=glyphs)
    return _marked(f"not as before: {audit.explanation}", good=False, glyphs=glyphs)
