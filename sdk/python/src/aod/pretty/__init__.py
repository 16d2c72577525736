"""Renders what the runtimes print for people.

    printer = Printer("claude")
    with client.sessions.stream(session_id) as events:
        for event in events:
            print(printer.consume(event), end="")
    print(printer.flush(), end="")

A `Printer` shows the model's texts as they are, a line for each tool that it uses, and at
the end what was said of time and cost, for each of the four CLIs. What agents print is not
to be trusted: nothing that it shows holds a control character but line feeds and tabs.

`ClaudeFormatter` yields the lines that it always has.
"""

from aod.pretty.claude import ClaudeFormatter
from aod.pretty.clean import cleaned
from aod.pretty.printer import Printer

__all__ = ["ClaudeFormatter", "Printer", "cleaned"]
