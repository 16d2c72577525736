"""The client without coroutines, generated from _async."""
