"""Starts real Weir processes and talks to them. Knows nothing of any single scenario."""
