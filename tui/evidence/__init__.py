"""What outlives a run: deployment log, history, report. Knows neither project nor screens."""
