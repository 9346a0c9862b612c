"""A local Supabase: PostgreSQL, PostgREST and a gateway on loopback.

`start_sandbox` starts one child process, the supervisor, which runs everything else and stops with
the process that started it, however that ends. Importing this package needs none of the packages of
the `sandbox` extra; starting a sandbox does.
"""

from __future__ import annotations

from tui.sandbox.client import (
    Sandbox,
    SandboxOptions,
    SandboxStage,
    SeenRequest,
    start_sandbox,
    start_sandbox_sync,
)

__all__ = [
    "Sandbox",
    "SandboxOptions",
    "SandboxStage",
    "SeenRequest",
    "start_sandbox",
    "start_sandbox_sync",
]
