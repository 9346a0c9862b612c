"""Sweeps: kill a run everywhere, break the network in every way, and count what is left.

The ordinary tests take a seeded sample. All of it, with a tally:

    python -m pytest tests/sweeps --full-sweep -n 0 -s
"""
