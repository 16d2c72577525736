"""The client as coroutines. The one without is generated from these files."""
