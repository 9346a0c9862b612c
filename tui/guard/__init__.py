"""The guard: which project this is, and what writing to it takes."""
