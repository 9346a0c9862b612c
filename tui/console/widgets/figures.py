"""A finished run's verdict and figures, as an operator reads them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.content import Content

from tui.console.widgets.words import duration, milliseconds
from tui.verify.events import Mode, Outcome

if TYPE_CHECKING:
    from tui.console.widgets.glyphs import Glyphs
    from tui.verify.result import Result

_GOOD: Final = {Outcome.VERIFIED, Outcome.READY, Outcome.CLEAN}
_SERIOUS: Final = {Outcome.FAILED, Outcome.LEFTOVERS, Outcome.UNREACHABLE, Outcome.UNUSABLE}


def verdict(result: Result, glyphs: Glyphs) -> Content:
    """The verdict's word, its message, and what to do next.

    Args:
        result: A run that has ended.
        glyphs: The signs to use.
    """
    finished = result.finished
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


def figures(result: Result, glyphs: Glyphs) -> list[tuple[str, str | Content]]:
    """Rows, refresh times, the comparison, leftovers and the view's state.

    Args:
        result: A run that has ended.
        glyphs: The signs to use.
    """
    pairs: list[tuple[str, str | Content]] = []
    if result.mode is Mode.CYCLE:
        pairs.append(("Wrote", str(result.rows)))
        pairs.append(("Refresh", _refreshes(result, glyphs)))
        pairs.append(("Checked", _check(result, glyphs)))
    if result.audit is not None:
        left = result.audit.leftovers
        pairs.append(
            (
                "Left behind",
                _marked("nothing", good=True, glyphs=glyphs)
                if not left.total
                else _marked(str(left), good=False, glyphs=glyphs),
            )
        )
        if result.mode is Mode.CYCLE:
            pairs.append(("View", _restored(result, glyphs)))
    if result.finished is not None:
        retries = f", {result.retries} requests sent again" if result.retries else ""
        pairs.append(("Took", f"{duration(result.finished.seconds)}{retries}"))
    return pairs


def _marked(text: str, *, good: bool, glyphs: Glyphs) -> Content:
    glyph, style = (glyphs.ok, "$ok") if good else (glyphs.bad, "$bad bold")
    return Content.assemble((f"{glyph} ", style), (text, style if not good else ""))


def _refreshes(result: Result, glyphs: Glyphs) -> Content:
    timed = [each for each in result.refreshes if not each.final]
    final = next((each for each in result.refreshes if each.final), None)
    if not timed:
        return Content.styled("not timed", "$muted")
    parts = [("  ".join(milliseconds(each.ms) for each in timed), "bold")]
    if timed[0].server_ms is not None:
        parts.append((f"  ({milliseconds(timed[0].server_ms)} on the server)", "$muted"))
    if final is not None:
        parts.append((f"  {glyphs.sep} {milliseconds(final.ms)} after clean-up", "$muted"))
    return Content.assemble(*parts)


def _check(result: Result, glyphs: Glyphs) -> Content:
    check = result.check
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


def _restored(result: Result, glyphs: Glyphs) -> Content:
    audit = result.audit
    if audit is None or audit.view_restored is None:
        return Content.styled("could not be judged", "$muted")
    if audit.view_restored:
        return _marked("as before the run", good=True, glyphs=glyphs)
    return _marked(f"not as before: {audit.explanation}", good=False, glyphs=glyphs)
