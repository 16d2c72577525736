import { Cleaner } from "./clean.js";
import type { Fields } from "./fields.js";

/** What is shown: texts, and notes of one line each. */
export class Page {
  readonly #cleaner = new Cleaner();
  #out = "";
  #inside = false; // a line has begun

  /** What has been written since the last time. */
  take(): string {
    const out = this.#out;
    this.#out = "";
    return out;
  }

  /** Writes a piece of a text. */
  text(piece: string): void {
    if (piece === "") return;
    this.#out += this.#cleaner.clean(piece);
    this.#inside = !piece.endsWith("\n");
  }

  /** Ends the line that has begun, if one has. */
  begin(): void {
    if (this.#inside) this.text("\n");
  }

  /** Writes a text that begins and ends its lines. */
  say(text: string): void {
    this.begin();
    const lines = text.replace(/\n+$/, "");
    if (lines !== "") this.text(lines + "\n");
  }

  /** Writes what is no text of the model, on one line. */
  note(sign: string, text: string): void {
    this.say(`${sign} ${brief(text, 200)}`);
  }

  /** Notes the use of a tool: its name and what of its input says most. */
  tool(indent: string, name: string, input: Fields | undefined): void {
    this.note(`${indent}→`, `${name}  ${input ? detail(input) : ""}`.trim());
  }

  /** Notes that a tool went wrong, and how its words begin. */
  failed(indent: string, said: string): void {
    this.note(`${indent}  ✗`, brief(said, 140));
  }

  /** Notes what a runtime says of a turn at its end. */
  finish({ failure, tookMs = 0, turns = 0, cost = 0, tokensIn = 0, tokensOut = 0 }: Ending): void {
    const said: string[] = [];
    if (tookMs > 0) said.push(`${(tookMs / 1000).toFixed(1)}s`);
    if (turns > 0) said.push(`${turns} ${plural("turn", turns)}`);
    if (cost > 0) said.push(`$${cost.toFixed(4)}`);
    if (tokensIn + tokensOut > 0) said.push(`${tokensIn} tokens in, ${tokensOut} out`);
    const verdict = failure ? `✗ Failed: ${brief(failure, 140)}` : "✓ Done";
    this.say(said.length > 0 ? `${verdict} · ${said.join(", ")}` : verdict);
  }
}

/** What a runtime says of a turn at its end. */
export interface Ending {
  failure?: string;
  tookMs?: number;
  turns?: number;
  cost?: number;
  tokensIn?: number;
  tokensOut?: number;
}

/** The names, in the order of what says most, that tools have for what they are asked. */
const known = [
  "command",
  "cmd",
  "file_path",
  "filePath",
  "path",
  "notebook_path",
  "pattern",
  "url",
  "query",
  "description",
  "name",
  "prompt",
];

function detail(input: Fields): string {
  const name = known.find((name) => input.text(name).trim() !== "");
  if (name) return brief(input.text(name), 140);
  return input.json === "{}" ? "" : brief(input.json, 140);
}

/** The text on one line, cut if it is longer than that many characters. */
export function brief(text: string, limit: number): string {
  const line = text.split(/\s+/).filter(Boolean).join(" ");
  const characters = Array.from(line);
  return characters.length <= limit ? line : characters.slice(0, limit - 1).join("") + "…";
}

/** The word for so many. */
export function plural(word: string, n: number): string {
  return n === 1 ? word : word + "s";
}
