"""Filters of a request: rows by tag or by range, never by long id lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postgrest.base_request_builder import BaseFilterRequestBuilder

Q = TypeVar("Q", bound="BaseFilterRequestBuilder[Any]")

# With a condition beside them, so many UUIDs make a URL of under 3.5 KB. PostgREST repeats the URL
# in its reply, and an nginx with its defaults refuses a reply with over 4 KB of headers.
IDS_PER_REQUEST: Final = 80
_ANY: Final = "or"


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of a request: column, PostgREST operator, value."""

    column: str
    operator: str
    value: str


def outside(column: str, low: object, high: object) -> Filter:
    """Rows whose column is below `low` or above `high`."""
    return any_of(f"{column}.lt.{low}", f"{column}.gt.{high}")


def any_of(*conditions: str) -> Filter:
    """Rows for which one of some conditions holds, each as PostgREST writes it."""
    return Filter("", _ANY, ",".join(conditions))


def filtered(query: Q, filters: Sequence[Filter]) -> Q:
    """The query with the filters added; all of them must hold."""
    for each in filters:
        if each.operator == _ANY:
            query = query.or_(each.value)
        else:
            query = query.filter(each.column, each.operator, each.value)
    return query


def one_of(column: str, values: Sequence[object]) -> Filter:
    """Rows whose column is one of at most `IDS_PER_REQUEST` values."""
    if not 0 < len(values) <= IDS_PER_REQUEST:
        raise ValueError(f"{len(values)} values do not make one request")
    return Filter(column, "in", f"({','.join(map(str, values))})")
