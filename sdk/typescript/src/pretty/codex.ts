import type { Fields } from "./fields.js";
import type { Page } from "./page.js";

/** Renders a line of `exec --json`. */
export function codex(page: Page, line: Fields): void {
  switch (line.text("type")) {
    case "item.started":
      if (line.in("item").text("type") === "command_execution")
        page.note("→", `shell  ${line.in("item").text("command")}`); // it may take long
      break;
    case "item.completed":
      item(page, line.in("item"));
      break;
    case "error":
      page.note("…", line.text("message"));
      break;
    case "turn.completed": // the usage is that of the whole conversation
      page.finish({
        tokensIn: line.in("usage").number("input_tokens"),
        tokensOut: line.in("usage").number("output_tokens"),
      });
      break;
    case "turn.failed":
      page.finish({ failure: line.in("error").text("message") });
  }
}

function item(page: Page, item: Fields): void {
  switch (item.text("type")) {
    case "agent_message":
      page.say(item.text("text"));
      break;
    case "reasoning":
      page.note("…", item.text("text"));
      break;
    case "error":
      page.note("…", item.text("message"));
      break;
    case "command_execution":
      if (item.text("status") === "failed") page.failed("", item.text("aggregated_output"));
      break;
    case "file_change":
      for (const change of item.all("changes")) page.note("→", `${change.text("kind")}  ${change.text("path")}`);
      break;
    case "mcp_tool_call":
      page.tool("", [item.text("server"), item.text("tool")].filter(Boolean).join("."), item.maybe("arguments"));
      if (item.text("status") === "failed") page.failed("", item.maybe("error")?.json ?? item.text("error"));
      break;
    case "web_search":
      page.note("→", `web search  ${item.text("query")}`);
  }
}
