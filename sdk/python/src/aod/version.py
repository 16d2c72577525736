"""The version of this package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("aod-sdk")
except PackageNotFoundError:  # not installed
    __version__ = "0.0.0"
