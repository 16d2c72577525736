"""Pauses."""

from time import sleep

from anyio import sleep as asleep

__all__ = ["asleep", "sleep"]
