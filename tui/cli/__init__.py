"""The command: its arguments, its headless twin, what it prints and asks."""
