from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.guard.justification import judge_justification, tidy


@pytest.mark.parametrize("text", [
    "Hotfix for the broken accuracy column, agreed with the head of teaching",
    "OPS-1412: refresh after restoring last night's backup",
    "verify new covering index before the exam season starts",
    "Incident 2024-11-03, heatmap shows no rows for week 44",
    "RLS fix rollout needs HTTPS check against the live view",
    "Die Ansicht zeigt seit gestern falsche Quoten an",
    "Überprüfung nach dem Wiederherstellen der Sicherung",
    "дежурный проверяет витрину после восстановления базы",
    "本番の集計ビューが更新されないため、緊急に検証を行います。",
    "עדכון התצוגה לאחר שחזור מסד הנתונים מהגיבוי",
    "  Rebuilt   the view after  the failed migration, see runbook  ",
])  # fmt: skip
def test_a_reason_will_do(text: str) -> None:
    assert judge_justification(text) is None


@pytest.mark.parametrize(("text", "problem"), [
    ("", "is empty"),
    ("   \n\t \u200b\u202e ", "is empty"),
    ("hotfix", "6 characters"),
    ("hotfix" + " " * 40 + "now", "10 characters"),
    ("fix\u200b\u200b\u200b\u200b\u200b\u200b\u200b\u200b\u200b\u200b the view", "characters"),
    ("a" * 40, "says nothing"),
    ("." * 40, "says nothing"),
    ("----------------------", "says nothing"),
    ("aaaa bbbb cccc dddd eeee ffff", "says nothing"),
    ("test test test test test test", "says nothing"),
    ("Testing, testing, TESTED tests test", "says nothing"),
    ("lorem ipsum dolor sit amet consectetur", "says nothing"),
    ("qwertyuiop asdfghjkl zxcvbnm", "says nothing"),
    ("qwerty asdf zxcv poiuy lkjh", "says nothing"),
    ("asdfasdf qwerqwer zxcvzxcv", "says nothing"),
    ("12345678901234567890123", "says nothing"),
    ("1234 5678 9012 3456 7890", "says nothing"),
    ("abcdefghijklmnopqrstuvwxyz", "says nothing"),
    ("abababababababababababab", "says nothing"),
    ("hotfix hotfix hotfix hotfix", "says nothing"),
    ("hotfix deploy hotfix deploy hotfix", "says nothing"),
    ("just because I want to do this now", "says nothing"),
    ("none none nothing n/a na nope no", "says nothing"),
    ("todo tbd todo tbd todo tbd todo", "says nothing"),
    ("sdkjfh skdjfh ksjdfh kjshdf kjhsdf", "says nothing"),
    ("blah blah blah blah blah blah", "says nothing"),
    ("prodprodprodprodprod", "says nothing"),
    ("ｔｅｓｔ ｔｅｓｔ ｔｅｓｔ ｔｅｓｔ ｔｅｓｔ", "says nothing"),  # noqa: RUF001
    ("ｌｏｒｅｍ ｉｐｓｕｍ ｄｏｌｏｒ ａｍｅｔ ｅｌｉｔ", "says nothing"),  # noqa: RUF001
    ("あああああああああああああああああああああああ", "says nothing"),
    ("fix view now fix view now fix view now", "repeats"),
    ("the key is sb_secret_abcdefghijklmnopqrstuvw_12345678", "holds a key"),
    ("ab cd ef ab a b c d e f g h", "says too little"),
])  # fmt: skip
def test_filler_will_not(text: str, problem: str) -> None:
    assert problem in (judge_justification(text) or "it was accepted")


@given(st.text(max_size=200))
def test_any_text_is_judged_and_tidied_to_one_visible_line(text: str) -> None:
    judge_justification(text)
    tidied = tidy(text)
    assert tidied.isprintable() or tidied == ""
    assert len(tidied.splitlines()) <= 1
    assert tidy(tidied) == tidied
    if len(tidied) < 20:
        assert judge_justification(text) or len(tidied) < len(text)


@given(st.sampled_from(["hotfix", "view", "now", "test"]), st.integers(1, 60))
def test_one_word_however_often_says_nothing(word: str, times: int) -> None:
    assert judge_justification(" ".join([word] * times))
