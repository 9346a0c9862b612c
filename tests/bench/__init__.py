"""Benchmarks; `python -m tests.bench --help` lists them.

The test run tries that they work, at a tiny volume, and judges no figure.
"""
