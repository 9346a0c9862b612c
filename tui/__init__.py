"""Operator console for a Supabase analytics heatmap."""

__version__ = "0.1.0"
