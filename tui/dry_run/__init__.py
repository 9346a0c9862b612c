"""The dry run's probes: one small function each, in one registry."""
