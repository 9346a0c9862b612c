"""Names of the heatmap's objects, as `sql/` creates them."""

from __future__ import annotations

from typing import Final

VIEW: Final = "analytics_heatmap_agg"
READER: Final = "analytics_heatmap_admin"
REFRESH: Final = "analytics_refresh_heatmap"
PREFLIGHT: Final = "analytics_heatmap_preflight"
