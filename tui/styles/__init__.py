"""How the console looks: its two themes and its style sheets."""
