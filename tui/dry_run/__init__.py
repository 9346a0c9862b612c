"""The dry run's probes: one small function each, listed by the runner."""
