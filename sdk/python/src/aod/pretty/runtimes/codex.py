"""The lines of `codex exec --json`."""

import json

from aod.pretty.fields import Line, at, objects, text, whole
from aod.pretty.sheet import Ending, Sheet


class Codex:
    """Knows the lines of Codex."""

    def show(self, sheet: Sheet, line: Line) -> None:
        """Renders a line."""
        match text(line, "type"):
            case "item.started" if text(line, "item", "type") == "command_execution":  # it may take long
                sheet.note("→", f"shell  {text(line, 'item', 'command')}")
            case "item.completed":
                show(sheet, at(line, "item"))
            case "error":
                sheet.note("…", text(line, "message"))
            case "turn.completed":  # the usage is that of the whole conversation
                tokens_in, tokens_out = (whole(line, "usage", name) for name in ("input_tokens", "output_tokens"))
                sheet.finish(Ending(tokens_in=tokens_in, tokens_out=tokens_out))
            case "turn.failed":
                sheet.finish(Ending(failure=text(line, "error", "message")))


def show(sheet: Sheet, item: Line) -> None:
    """Renders an item that is complete."""
    failed = text(item, "status") == "failed"
    match text(item, "type"):
        case "agent_message":
            sheet.say(text(item, "text"))
        case "reasoning":
            sheet.note("…", text(item, "text"))
        case "error":
            sheet.note("…", text(item, "message"))
        case "command_execution" if failed:
            sheet.failed("", text(item, "aggregated_output"))
        case "file_change":
            for change in objects(item, "changes"):
                sheet.note("→", f"{text(change, 'kind')}  {text(change, 'path')}")
        case "mcp_tool_call":
            sheet.tool("", f"{text(item, 'server')}.{text(item, 'tool')}".strip("."), at(item, "arguments"))
            if failed:
                sheet.failed("", json.dumps(at(item, "error"), ensure_ascii=False, separators=(",", ":")))
        case "web_search":
            sheet.note("→", f"web search  {text(item, 'query')}")
