import type { Fields } from "./fields.js";
import type { Page } from "./page.js";
import type { Format } from "./printer.js";

/** Makes a format for the lines of `run --format json`, which adds up what they say of each step. */
export function opencode(): Format {
  let sum = { cost: 0, tokensIn: 0, tokensOut: 0 };
  let began = 0; // when the first step did

  const finish = (page: Page, line: Fields, failure: string) => {
    page.finish({ ...sum, failure, tookMs: began > 0 ? line.number("timestamp") - began : 0 });
    sum = { cost: 0, tokensIn: 0, tokensOut: 0 };
    began = 0;
  };
  return (page, line) => {
    const part = line.in("part");
    switch (line.text("type")) {
      case "step_start":
        began ||= line.number("timestamp");
        break;
      case "text":
        page.say(part.text("text"));
        break;
      case "reasoning":
        page.note("…", part.text("text"));
        break;
      case "tool_use":
        page.tool("", part.text("tool"), part.in("state").maybe("input"));
        if (part.in("state").text("status") === "error") page.failed("", part.in("state").text("error"));
        break;
      case "step_finish":
        sum.cost += part.number("cost");
        sum.tokensIn += part.in("tokens").number("input");
        sum.tokensOut += part.in("tokens").number("output");
        if (part.text("reason") !== "tool-calls") finish(page, line, "");
        break;
      case "error":
        finish(page, line, line.in("error").in("data").text("message") || line.in("error").text("name"));
    }
  };
}
