"""The guard: which project this is, whether it is production, and what writing there takes."""
