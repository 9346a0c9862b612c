"""Benchmarks; `python -m tests.bench --help` lists them. They are no part of the test run."""
