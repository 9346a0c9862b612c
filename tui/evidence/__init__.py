"""What outlives a run: deployment log, history, report."""
