"""Record what the vendor's auth server answers: `python -m tests.sandbox.record_auth`.

Needs `HEATMAP_SANDBOX_AUTH` and `HEATMAP_SANDBOX_AUTH_MIGRATIONS`. The replies are what
`test_auth_parity.py` holds the emulation to.
"""

from __future__ import annotations

import json
import sys

from tests.sandbox import helpers
from tests.sandbox.auth_requests import RECORDED, conversation
from tui.sandbox import start_sandbox_sync


def main() -> int:
    """Write the file; return the exit code."""
    if helpers.AUTH is None:
        sys.stderr.write(f"{helpers.NO_AUTH_SERVER}\n")
        return 2
    running = start_sandbox_sync(helpers.options(seed_learners=False, newer=False))
    try:
        said = conversation(running)
    finally:
        running.stop_sync()
    RECORDED.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
