"""The work itself: dry run, cycle, clean-up, audit. Knows no screen."""
