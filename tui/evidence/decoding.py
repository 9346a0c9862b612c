"""What was read from a file of ours as JSON, as the types of a dataclass."""

from __future__ import annotations

import math
from dataclasses import is_dataclass
from datetime import UTC, datetime
from functools import cache, partial
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_MORE_THAN_IS_COUNTED: Final = 2**63


def decode(kind: Any, value: Any) -> Any:
    """A value that was read from JSON, as a type that a field of a dataclass has.

    Nothing is converted but lists, instants and whole figures. What was counted or measured is not
    negative. Fields that a dataclass does not know are passed over.

    Raises:
        TypeError, ValueError, OverflowError: The value is none of that type.
    """
    return _decoder(kind)(value)


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """What decodes values of a type, made once: a history has many lines."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and is_dataclass(kind):
        known = {name: _decoder(each) for name, each in get_type_hints(kind).items()}
        return lambda value: kind(
            **{name: known[name](each) for name, each in _is(dict, value).items() if name in known}
        )
    parts = get_args(kind)
    if isinstance(kind, UnionType):
        some = _decoder(parts[0])
        return lambda value: None if value is None else some(value)
    if get_origin(kind) is tuple:
        item = _decoder(parts[0])
        return lambda value: tuple([item(each) for each in _is(list, value)])
    if get_origin(kind) is dict:
        entry = _decoder(parts[1])
        return lambda value: {name: entry(each) for name, each in _is(dict, value).items()}
    raise TypeError(f"no decoder for {kind}")


def _is(kind: type[T], value: Any) -> T:
    """The value, when it is of exactly this type: True is no number."""
    if type(value) is not kind:
        raise TypeError(f"not a {kind.__name__}")
    return value


def _count(value: Any) -> int:
    if not 0 <= _is(int, value) < _MORE_THAN_IS_COUNTED:
        raise ValueError("not a count")
    return int(value)


def _figure(value: Any) -> float:
    if type(value) is not float:
        return float(_count(value))
    if not 0 <= value < math.inf:
        raise ValueError("not a figure that was measured")
    return value


def _instant(value: Any) -> datetime:
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("not an instant")
    return at.astimezone(UTC)


_PLAIN: Final[dict[Any, Callable[[Any], Any]]] = {
    str: partial(_is, str),
    int: _count,
    float: _figure,
    datetime: _instant,
}
