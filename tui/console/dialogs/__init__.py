"""What the console asks, and what it says before anything else goes on."""
