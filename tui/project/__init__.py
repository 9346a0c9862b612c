"""A Supabase project behind one small interface; the only importer of supabase-py."""

from tui.project.client import IDS_PER_REQUEST, PAGE, Filter, Page, Project, one_of, outside
from tui.project.errors import (
    Denied,
    KeyRefused,
    Missing,
    ProjectError,
    ProjectUnreachable,
    TimedOut,
    Truncated,
)
from tui.project.retry import RetryNotice, RetryPolicy
from tui.project.writing import NewUser, Refresh, Writer

__all__ = [
    "IDS_PER_REQUEST",
    "PAGE",
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
    "one_of",
    "outside",
]
