"""Whether a justification says something, or only fills the field. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from tui.redact import redact

SHORTEST: Final = 20
LONGEST: Final = 2000
FEWEST_WORDS: Final = 3

_KEYBOARD: Final = (
    "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "qsdfghjklm",
    "abcdefghijklmnopqrstuvwxyz", "01234567890",
)  # fmt: skip
_SHORTEST_RUN: Final = 3

_FILLER_WORDS: Final = """
a adipiscing amet an and asdf bar baz because bla blah consectetur da do dolor dummy elit etc filler
foo hello hi i idk ipsum is it just justification lorem me my na no none nope not nothing ok okay
placeholder please prod production qux random reason sample sit some something stuff tbd test tested
testing tests text the thing things this to todo typing use want we whatever why word words xxx yes
you
"""
_FILLER: Final = frozenset(_FILLER_WORDS.split())

# Scripts written without spaces: each character counts as a word.
_WORD: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+"
)
_VOWELS: Final = frozenset("aeiouy")

# Control and format characters, surrogates, line and paragraph separators. They can break a line,
# turn the reading direction or hide, and a reason needs none of them.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def tidy(text: str) -> str:
    """One line of visible text: invisible characters gone, white space collapsed, length bounded.

    Args:
        text: Anything that was typed.

    Returns:
        At most `LONGEST` characters, safe in a log line and on a terminal.
    """
    visible = (" " if unicodedata.category(char) in _UNSEEN else char for char in text)
    return " ".join("".join(visible).split())[:LONGEST].rstrip()


def judge_justification(text: str) -> str | None:
    """Judge whether a text can stand as the reason for writing to production.

    At least 20 characters, and at least three different words that are not filler: not `test`, not
    `lorem ipsum`, no runs along the keyboard, no repeated letters, no key.

    Args:
        text: What was typed.

    Returns:
        The problem in words that follow "the justification", or None when it will do.
    """
    typed = tidy(text)
    text = tidy(unicodedata.normalize("NFKC", text))
    if not text:
        return "is empty"
    # One typed sign may stand for several letters, and several for one: the fewer count.
    length = min(len(typed), len(text))
    if length < SHORTEST:
        return f"has {length} characters, and at least {SHORTEST} are needed"
    return "holds a key, which tells no reason" if redact(text) != text else _judge_words(text)


def _judge_words(text: str) -> str | None:
    words = [match.group().casefold() for match in _WORD.finditer(text)]
    telling = [word for word in words if not _is_filler(word)]
    distinct = set(telling)
    letters = "".join(words)
    if len(distinct) < FEWEST_WORDS or len(set(letters)) < 6:
        return "says nothing: filler does not count"
    if len(telling) >= 6 and len(distinct) * 2 <= len(telling):
        return "repeats itself"
    if sum(map(len, distinct)) < 10 and letters.isascii():
        return "says too little: filler does not count"
    return None


def _is_filler(word: str) -> bool:
    if word in _FILLER or word.isdigit():
        return True
    if len(word) == 1:
        return word.isascii()
    if len(word) >= 3 and len(set(word)) * 3 <= len(word) + 2:
        return True
    if any(_runs_along(word, row) for row in _KEYBOARD):
        return True
    plain = "".join(
        char for char in unicodedata.normalize("NFKD", word) if not unicodedata.combining(char)
    )
    no_vowel = plain.isascii() and plain.isalpha() and not _VOWELS.intersection(plain)
    # Up to five letters it may be an abbreviation such as RLS or HTTPS.
    return no_vowel and len(word) > 5


def _runs_along(word: str, row: str) -> bool:
    """Whether a word is cut from a keyboard row, forwards or backwards, perhaps several times."""
    if len(word) < _SHORTEST_RUN:
        return False
    if len(word) == _SHORTEST_RUN or word in row or word in row[::-1]:
        return word in row or word in row[::-1]
    half = len(word) // 2
    return half >= _SHORTEST_RUN and _runs_along(word[:half], row) and _runs_along(word[half:], row)
