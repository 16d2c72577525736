import type { Fields } from "./fields.js";
import { plural, type Page } from "./page.js";

/** Renders a line of `--output-format stream-json`. */
export function claude(page: Page, line: Fields): void {
  const indent = line.text("parent_tool_use_id") ? "  " : "";
  switch (line.text("type")) {
    case "system":
      system(page, line);
      break;
    case "assistant":
    case "user":
      for (const part of line.in("message").all("content"))
        block(page, part, indent, line.text("type") === "assistant");
      break;
    case "result":
      page.finish({
        failure: failure(line),
        tookMs: line.number("duration_ms"),
        turns: line.number("num_turns"),
        cost: line.number("total_cost_usd"),
        tokensIn: line.in("usage").number("input_tokens"),
        tokensOut: line.in("usage").number("output_tokens"),
      });
  }
}

function failure(line: Fields): string {
  const [subtype, result] = [line.text("subtype"), line.text("result")];
  if (subtype !== "success") return `${subtype} ${result}`.trim();
  return line.yes("is_error") ? result : "";
}

function system(page: Page, line: Fields): void {
  switch (line.text("subtype")) {
    case "init": {
      const tools = line.list("tools").length;
      const servers = line.all("mcp_servers").map((server) => server.text("name"));
      const more = servers.length > 0 ? `, MCP: ${servers.join(", ")}` : "";
      page.note("⚙", `${line.text("model")}, ${tools} ${plural("tool", tools)}${more}`);
      break;
    }
    case "api_retry":
      page.note(
        "…",
        `asking the model again, ${line.number("attempt")} of ${line.number("max_retries")}: ${line.text("error")}`,
      );
      break;
    case "task_started":
      page.note("→", `Task  ${line.text("description")}`);
  }
}

function block(page: Page, part: Fields, indent: string, model: boolean): void {
  switch (part.text("type")) {
    case "text":
      if (model && part.text("text").trim() !== "")
        page.say(
          indent +
            part
              .text("text")
              .replace(/\n+$/, "")
              .replaceAll("\n", "\n" + indent),
        );
      break;
    case "thinking":
      if (part.text("thinking").trim() !== "") page.note(`${indent}…`, part.text("thinking"));
      break;
    case "tool_use":
      page.tool(indent, part.text("name"), part.maybe("input"));
      break;
    case "tool_result":
      if (part.yes("is_error"))
        page.failed(indent, part.text("content") || (part.all("content")[0]?.text("text") ?? ""));
  }
}
