"""The lines of `gemini --output-format stream-json`."""

from aod.pretty.fields import Line, at, number, text, whole
from aod.pretty.sheet import Ending, Sheet


class Gemini:
    """Knows the lines of Gemini CLI."""

    def show(self, sheet: Sheet, line: Line) -> None:
        """Renders a line."""
        status = text(line, "status")
        match text(line, "type"):
            case "init":
                sheet.note("⚙", text(line, "model"))
            case "message" if text(line, "role") == "assistant":  # in pieces
                sheet.text(text(line, "content"))
            case "tool_use":
                sheet.tool("", text(line, "tool_name"), at(line, "parameters"))
            case "tool_result" if status == "error":
                sheet.failed("", f"{text(line, 'error', 'message')} {text(line, 'output')}")
            case "error":
                sheet.note("…", text(line, "message"))
            case "result":
                failure = "" if status == "success" else text(line, "error", "message") or f"status {status}"
                sheet.finish(
                    Ending(
                        failure=failure,
                        took_ms=number(line, "stats", "duration_ms"),
                        tokens_in=whole(line, "stats", "input_tokens"),
                        tokens_out=whole(line, "stats", "output_tokens"),
                    )
                )
