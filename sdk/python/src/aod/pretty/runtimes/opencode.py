"""The lines of `opencode run --format json`."""

from aod.pretty.fields import Line, at, number, text, whole
from aod.pretty.sheet import Ending, Sheet


class Opencode:
    """Knows the lines of opencode, and adds up what they say of each step."""

    def __init__(self) -> None:
        self._sum = Ending()
        self._began = 0.0  # when the first step did, in milliseconds

    def show(self, sheet: Sheet, line: Line) -> None:
        """Renders a line."""
        match text(line, "type"):
            case "step_start":
                self._began = self._began or number(line, "timestamp")
            case "text":
                sheet.say(text(line, "part", "text"))
            case "reasoning":
                sheet.note("…", text(line, "part", "text"))
            case "tool_use":
                sheet.tool("", text(line, "part", "tool"), at(line, "part", "state", "input"))
                if text(line, "part", "state", "status") == "error":
                    sheet.failed("", text(line, "part", "state", "error"))
            case "step_finish":
                self._sum.cost += number(line, "part", "cost")
                self._sum.tokens_in += whole(line, "part", "tokens", "input")
                self._sum.tokens_out += whole(line, "part", "tokens", "output")
                if text(line, "part", "reason") != "tool-calls":
                    self._finish(sheet, line, "")
            case "error":
                self._finish(sheet, line, text(line, "error", "data", "message") or text(line, "error", "name"))

    def _finish(self, sheet: Sheet, line: Line, failure: str) -> None:
        self._sum.failure = failure
        if self._began > 0:
            self._sum.took_ms = number(line, "timestamp") - self._began
        sheet.finish(self._sum)
        self._sum, self._began = Ending(), 0
