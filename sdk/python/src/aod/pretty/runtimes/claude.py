"""The lines of `claude --output-format stream-json`."""

from typing import Any

from aod.pretty.fields import Line, at, count, number, objects, text, whole
from aod.pretty.sheet import Ending, Sheet, plural


class Claude:
    """Knows the lines of Claude Code."""

    def show(self, sheet: Sheet, line: Line) -> None:
        """Renders a line."""
        indent = "" if at(line, "parent_tool_use_id") is None else "  "
        match text(line, "type"):
            case "system":
                system(sheet, line)
            case "assistant" | "user" as speaker:
                for block in objects(line, "message", "content"):
                    show(sheet, indent, block, model=speaker == "assistant")
            case "result":
                sheet.finish(ending(line))


def system(sheet: Sheet, line: Line) -> None:
    """Renders what the program says of itself."""
    match text(line, "subtype"):
        case "init":
            tools = count(line, "tools")
            said = f"{text(line, 'model')}, {tools} {plural('tool', tools)}"
            names = [text(server, "name") for server in objects(line, "mcp_servers")]
            sheet.note("⚙", f"{said}, MCP: {', '.join(names)}" if names else said)
        case "api_retry":
            tries = f"{whole(line, 'attempt')} of {whole(line, 'max_retries')}"
            sheet.note("…", f"asking the model again, {tries}: {text(line, 'error')}")
        case "task_started":
            sheet.note("→", f"Task  {text(line, 'description')}")


def show(sheet: Sheet, indent: str, block: Line, *, model: bool) -> None:
    """Renders a block of a message."""
    match text(block, "type"):
        case "text" if model and text(block, "text").strip():
            sheet.say(indent + text(block, "text").rstrip("\n").replace("\n", "\n" + indent))
        case "thinking" if text(block, "thinking").strip():
            sheet.note(f"{indent}…", text(block, "thinking"))
        case "tool_use":
            sheet.tool(indent, text(block, "name"), at(block, "input"))
        case "tool_result" if at(block, "is_error") is True:
            sheet.failed(indent, spoken(at(block, "content")))


def spoken(content: Any) -> str:
    """The text of a content, which is a text or blocks."""
    if isinstance(content, str):
        return content
    blocks = objects({"content": content}, "content")
    return text(blocks[0], "text") if blocks else ""


def ending(line: Line) -> Ending:
    """What the last line says."""
    subtype, result = text(line, "subtype"), text(line, "result")
    failure = ""
    if at(line, "is_error") is True or subtype != "success":
        failure = result if subtype == "success" else f"{subtype} {result}".strip()
    return Ending(
        failure=failure,
        took_ms=number(line, "duration_ms"),
        turns=whole(line, "num_turns"),
        cost=number(line, "total_cost_usd"),
        tokens_in=whole(line, "usage", "input_tokens"),
        tokens_out=whole(line, "usage", "output_tokens"),
    )
