"""Mutations of who may do what."""

from __future__ import annotations

from tests.mutations.mutation import Mutation
from tests.mutations.rebuilt import APPLY, DESCRIBE, PREFLIGHT, READER, REFRESH, VIEW

PRIVILEGES = [
    Mutation(
        "select-granted-to-anon",
        f"grant select on {VIEW} to anon",
        APPLY,
        fails=["permissions.anon_view", "permissions.lint_0016"],
    ),
    Mutation(
        "select-granted-to-authenticated",
        f"grant select on {VIEW} to authenticated",
        APPLY,
        fails=["permissions.learner_view", "permissions.lint_0016"],
    ),
    Mutation(
        "select-granted-to-public",
        f"grant select on {VIEW} to public",
        APPLY,
        fails=["permissions.anon_view", "permissions.learner_view", "permissions.lint_0016"],
    ),
    Mutation(
        "columns-granted-to-anon",
        f"grant select (lesion, attempts, correct_attempts) on {VIEW} to anon",
        f"revoke all on {VIEW} from public, anon, authenticated",
        hint=f"revoke all on {VIEW} from public, anon, authenticated",
        # Asked for a row by its id, anon is refused as before.
        fails=["permissions.lint_0016"],
    ),
    Mutation(
        "columns-granted-to-authenticated",
        f"grant select (lesion, attempts, correct_attempts) on {VIEW} to authenticated",
        APPLY,
        fails=["permissions.learner_view", "permissions.lint_0016"],
    ),
    Mutation(
        "reader-executable-by-public",
        f"grant execute on function {READER} to public",
        "revoke execute on function public.analytics_heatmap_admin from public, anon",
        hint="revoke execute on function public.analytics_heatmap_admin from public, anon",
        fails=["permissions.lint_0028"],
    ),
    Mutation(
        "refresh-executable-by-anon",
        f"grant execute on function {REFRESH} to anon",
        "revoke execute on function public.analytics_refresh_heatmap from public, anon",
        hint="revoke execute on function public.analytics_refresh_heatmap from public, anon",
        fails=["permissions.lint_0028"],
    ),
    Mutation(
        "preflight-executable-by-authenticated",
        f"grant execute on function {DESCRIBE} to authenticated",
        PREFLIGHT,
        hint="revoke execute",
        fails=["permissions.lint_0029"],
    ),
    Mutation(
        "preflight-executable-by-public",
        f"grant execute on function {DESCRIBE} to public",
        PREFLIGHT,
        hint="revoke execute",
        fails=["permissions.lint_0028", "permissions.lint_0029"],
    ),
    Mutation(
        "service-role-may-not-refresh",
        f"revoke execute on function {REFRESH} from service_role",
        APPLY,
        hint="to service_role",
        fails=["permissions.service_role"],
        follow=1,
    ),
    Mutation(
        "service-role-may-not-read-heatmap",
        f"revoke execute on function {READER} from service_role",
        APPLY,
        hint="to service_role",
        fails=["permissions.service_role"],
        follow=2,
    ),
    Mutation(
        "service-role-may-not-read-view",
        f"revoke select on {VIEW} from service_role",
        APPLY,
        hint="to service_role",
        fails=["permissions.service_role"],
        follow=5,
    ),
    Mutation(
        "service-role-may-not-delete-responses",
        "revoke delete on public.responses from service_role",
        "grant delete on public.responses to service_role",
        hint="grant delete on public.responses to service_role",
        fails=["permissions.service_role"],
    ),
    Mutation(
        "service-role-may-not-insert-questions",
        "revoke insert on public.questions from service_role",
        "grant insert on public.questions to service_role",
        hint="grant insert on public.questions to service_role",
        fails=["permissions.service_role"],
    ),
    Mutation(
        "service-role-may-nothing-on-questions",
        "revoke all on public.questions from service_role",
        "grant select, insert, update, delete on public.questions to service_role",
        hint="grant select, insert, delete on public.questions to service_role",
        fails=["permissions.service_role"],
        follow=4,
    ),
    Mutation(
        "private-schema-open",
        "grant usage on schema analytics_private to authenticated",
        APPLY,
        fails=["permissions.nobody_else"],
    ),
    Mutation(
        "maintain-granted-to-authenticated",
        f"grant maintain on {VIEW} to authenticated",
        APPLY,
        fails=["permissions.nobody_else"],
        since=17,
    ),
    Mutation(
        "select-granted-to-another-role",
        f"create role reporting; grant select on {VIEW} to reporting",
        f"revoke all on {VIEW} from reporting",
        hint="revoke",
        undo="drop role reporting",
        warns=["permissions.nobody_else"],
    ),
    Mutation(
        "administrators-shut-out",
        f"revoke execute on function {READER} from authenticated",
        APPLY,
        warns=["permissions.admin"],
    ),
    Mutation(
        "rls-disabled",
        "alter table public.responses disable row level security",
        "alter table public.responses enable row level security",
        hint="alter table public.responses enable row level security",
        fails=["permissions.lint_0013"],
    ),
]
