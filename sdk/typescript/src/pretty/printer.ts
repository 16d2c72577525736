import type { StreamEvent } from "../event.js";
import { claude } from "./claude.js";
import { codex } from "./codex.js";
import { fieldsOf, type Fields } from "./fields.js";
import { gemini } from "./gemini.js";
import { opencode } from "./opencode.js";
import { Page } from "./page.js";

/** How long a line of a runtime may be that is taken for JSON, in characters. */
const lineLimit = 16 << 20;

/** Renders a line of a runtime on a page. */
export type Format = (page: Page, line: Fields) => void;

/** Make a format for each runtime that prints JSON lines. */
const formats: Record<string, () => Format> = {
  claude: () => claude,
  codex: () => codex,
  gemini: () => gemini,
  opencode,
};

/**
 * Renders the standard output of one runtime for people: its texts as they are, a line for
 * each tool that it uses, and at the end what it says of time and cost. What a runtime
 * prints that has no JSON lines is only cleaned.
 *
 * What agents print is not to be trusted: nothing that a Printer returns holds a control
 * character but line feeds and tabs.
 */
export class Printer {
  readonly #page = new Page();
  readonly #format: Format | undefined;
  #line = ""; // what has come of the present one

  /** The runtime is a name as of an agent, or the `start` event's. */
  constructor(runtime: string) {
    this.#format = Object.hasOwn(formats, runtime) ? formats[runtime]?.() : undefined;
  }

  /** What an event shows: output on `stdout` does, nothing else. */
  consume(event: StreamEvent): string {
    return event.type === "output" && event.extra.stream === "stdout" ? this.feed(event.extra.data) : "";
  }

  /** What a piece of output shows, of the lines that are complete. */
  feed(piece: string): string {
    if (!this.#format) {
      this.#page.text(piece);
      return this.#page.take();
    }
    const lines = piece.split("\n");
    lines.forEach((line, i) => {
      this.#line += line;
      if (i < lines.length - 1 || this.#line.length > lineLimit) this.#end();
    });
    return this.#page.take();
  }

  /** What is left of a last line. */
  flush(): string {
    if (this.#line) this.#end();
    this.#page.begin();
    return this.#page.take();
  }

  /** Renders the present line. */
  #end(): void {
    const line = this.#line.replace(/\r$/, "");
    this.#line = "";
    if (line.trim() === "") return;
    const fields = line.startsWith("{") ? fieldsOf(line) : undefined;
    if (fields?.text("type")) this.#format?.(this.#page, fields);
    else this.#page.say(line);
  }
}
