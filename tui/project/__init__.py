"""A Supabase project; the only importer of supabase-py and httpx."""

from tui.project.client import (
    APPLY_PREFLIGHT,
    ENVIRONMENT,
    PAGE,
    PREFLIGHT,
    READER,
    REFRESH,
    VIEW,
    Page,
    Project,
)
from tui.project.errors import (
    GATEWAY_TIMEOUT,
    Denied,
    KeyRefused,
    Missing,
    ProjectError,
    ProjectUnreachable,
    TimedOut,
    Truncated,
)
from tui.project.query import IDS_PER_REQUEST, Filter, any_of, one_of, outside
from tui.project.retry import RetryNotice, RetryPolicy
from tui.project.writer import NewUser, Refresh, Writer

__all__ = [
    "APPLY_PREFLIGHT",
    "ENVIRONMENT",
    "GATEWAY_TIMEOUT",
    "IDS_PER_REQUEST",
    "PAGE",
    "PREFLIGHT",
    "READER",
    "REFRESH",
    "VIEW",
    "Denied",
    "Filter",
    "KeyRefused",
    "Missing",
    "NewUser",
    "Page",
    "Project",
    "ProjectError",
    "ProjectUnreachable",
    "Refresh",
    "RetryNotice",
    "RetryPolicy",
    "TimedOut",
    "Truncated",
    "Writer",
    "any_of",
    "one_of",
    "outside",
]
