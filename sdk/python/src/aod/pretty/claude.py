"""The lines that programs of the older generation print of Claude Code."""

import json
from collections.abc import Iterator
from typing import Any

from aod.event import StreamEvent
from aod.pretty.fields import Line, at, count, number, objects, text, whole
from aod.pretty.sheet import brief

SIGNS = {
    "Agent": "🤖",
    "Bash": "🔧",
    "Edit": "✏️ ",
    "Glob": "🔎",
    "Grep": "🔍",
    "MultiEdit": "✏️ ",
    "NotebookEdit": "📓",
    "Read": "📖",
    "Task": "🤖",
    "TodoWrite": "📋",
    "WebFetch": "🌐",
    "WebSearch": "🌐",
    "Write": "📝",
}


class ClaudeFormatter:
    """Turns Claude Code's standard output into lines with signs, one for each thing that happens.

    `Printer` cleans what it shows for a terminal; this does not.
    """

    def __init__(self) -> None:
        self._line = ""

    def consume(self, event: StreamEvent) -> Iterator[str]:
        """Yields the lines to show with an event."""
        data = event.extra.get("data")
        if event.type == "output" and event.extra.get("stream") == "stdout" and isinstance(data, str):
            yield from self.feed(data)

    def feed(self, chunk: str) -> Iterator[str]:
        """Yields the lines to show with a piece of standard output."""
        *lines, rest = (self._line + chunk).split("\n")
        self._line = rest
        for line in lines:
            yield from shown(line.removesuffix("\r"))

    def flush(self) -> Iterator[str]:
        """Yields what is left of a last line, once."""
        line, self._line = self._line, ""
        if line.strip():
            yield from shown(line)


def shown(line: str) -> Iterator[str]:
    """Yields what a line shows."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        if line:
            yield line
        return
    indent = "  " if at(fields, "parent_tool_use_id") else ""
    for thing in things(fields):
        yield indent + thing.replace("\n", "\n" + indent)


def things(line: Line) -> Iterator[str]:
    """Yields what happens in a line of JSON."""
    match text(line, "type"), text(line, "subtype"):
        case "system", "init":
            names = ", ".join(text(server, "name") for server in objects(line, "mcp_servers"))
            servers = f", mcp=[{names}]" if names else ""
            tools = count(line, "tools")
            yield f"⚙️  Session init · model={text(line, 'model') or '?'}, tools={tools}{servers}"
        case "system", "task_started":
            yield f"🚀 Task spawned · {text(line, 'description') or '(no description)'}"
        case "assistant", _:
            for block in objects(line, "message", "content"):
                yield from said(block)
        case "result", subtype:
            yield result(line, "✨" if subtype == "success" else "⚠️ ")


def said(block: Line) -> Iterator[str]:
    """Yields what a block of a message shows."""
    match text(block, "type"):
        case "thinking" if text(block, "thinking").strip():
            yield f"💭 {brief(text(block, 'thinking'), 200)}"
        case "text" if text(block, "text").strip():
            yield f"✉️  {text(block, 'text').strip()}"
        case "tool_use":
            name = text(block, "name") or "?"
            told = asked(name, at(block, "input"))
            yield f"{SIGNS.get(name, '🛠️ ')} {name}" + (f" · {told}" if told else "")


def asked(name: str, given: Any) -> str:
    """What a tool is asked."""
    match name:
        case "Bash":
            return brief(text(given, "command"), 140)
        case "Read" | "Write" | "Edit" | "MultiEdit" | "NotebookEdit":
            return text(given, "file_path") or text(given, "notebook_path") or "(no path)"
        case "Grep" | "Glob":
            place = text(given, "path")
            return text(given, "pattern") + (f" in {place}" if place else "")
        case "WebFetch" | "WebSearch":
            return text(given, "url") or text(given, "query")
        case "Task" | "Agent":
            return brief(text(given, "description") or text(given, "prompt"), 140)
        case "TodoWrite":
            return f"{count(given, 'todos')} todo(s)"
    found = (text(given, key) for key in ("description", "name", "query", "prompt", "path"))
    return brief(next(filter(None, found), ""), 140)


def result(line: Line, sign: str) -> str:
    """How it ended."""
    told = [f"agent {number(line, 'duration_ms') / 1000:.1f}s"]
    if "num_turns" in line:
        told.append(f"{whole(line, 'num_turns')} turns")
    if "total_cost_usd" in line:
        told.append(f"tokens ${number(line, 'total_cost_usd'):.4f}")
    return f"{sign} Done · {', '.join(told)}"
