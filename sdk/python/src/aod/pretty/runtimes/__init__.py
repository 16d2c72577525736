"""The JSON lines of each runtime."""
