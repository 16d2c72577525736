"""Pauses, and how long something takes."""

from time import monotonic as now
from time import sleep

from anyio import sleep as asleep

__all__ = ["asleep", "now", "sleep"]
