import type { Fields } from "./fields.js";
import type { Page } from "./page.js";

/** Renders a line of `--output-format stream-json`. */
export function gemini(page: Page, line: Fields): void {
  switch (line.text("type")) {
    case "init":
      page.note("⚙", line.text("model"));
      break;
    case "message":
      if (line.text("role") === "assistant") page.text(line.text("content")); // in pieces
      break;
    case "tool_use":
      page.tool("", line.text("tool_name"), line.maybe("parameters"));
      break;
    case "tool_result":
      if (line.text("status") === "error")
        page.failed("", `${line.in("error").text("message")} ${line.text("output")}`);
      break;
    case "error":
      page.note("…", line.text("message"));
      break;
    case "result": {
      const stats = line.in("stats");
      const failure =
        line.text("status") === "success" ? "" : line.in("error").text("message") || `status ${line.text("status")}`;
      page.finish({
        failure,
        tookMs: stats.number("duration_ms"),
        tokensIn: stats.number("input_tokens"),
        tokensOut: stats.number("output_tokens"),
      });
    }
  }
}
