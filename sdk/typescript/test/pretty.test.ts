import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

import type { StreamEvent } from "@agent-on-demand/sdk";
import { Printer } from "@agent-on-demand/sdk/pretty";

const runtimes = ["claude", "codex", "gemini", "opencode"];
const transcripts = "../go/pretty/testdata"; // of the real CLIs, with what people are shown

/** What a Printer makes of output that comes in pieces. */
function shown(runtime: string, said: string, size: number): string {
  const printer = new Printer(runtime);
  let out = "";
  for (let at = 0; at < said.length; at += size) out += printer.feed(said.slice(at, at + size));
  return out + printer.flush();
}

test("each runtime's output is readable, however it was cut", async () => {
  let compared = 0;
  for (const runtime of runtimes) {
    for (const file of await readdir(`${transcripts}/${runtime}`)) {
      if (!file.endsWith(".jsonl")) continue;
      const said = await readFile(`${transcripts}/${runtime}/${file}`, "utf8");
      const want = await readFile(`${transcripts}/${runtime}/${file.replace("jsonl", "txt")}`, "utf8");
      for (const size of [1, 7, 100, said.length]) assert.equal(shown(runtime, said, size), want, `${runtime}/${file}`);
      compared++;
    }
  }
  assert(compared >= 12);
});

test("lines that are not the runtime's are shown as they are", () => {
  const said = 'plain words\n{"no":"type"}\n[1]\n\nnot { json\n{"type":7}\nthe last';
  const want = 'plain words\n{"no":"type"}\n[1]\nnot { json\n{"type":7}\nthe last\n';
  for (const runtime of runtimes) assert.equal(shown(runtime, said, 3), want, runtime);
});

test("what a terminal would obey is left out", () => {
  const cases: [string, string][] = [
    ["plain\ttext\n", "plain\ttext\n"],
    ["\x1b[31mred\x1b[0m\n", "red\n"],
    ["\x1b]0;title\x07after\x1b]8;;http://x\x1b\\x\n", "afterx\n"],
    ["\x1b]52;c;never closed\nnext line\n", "\nnext line\n"],
    ["\x1bPq#0\x1b\\dcs\x1b(Bset\x1b=k\n", "dcssetk\n"],
    ["10%\r20%\rdone\r\n", "10%\n20%\ndone\n"],
    ["bell\x07 null\x00 del\x7f back\b\n", "bell null del back\n"],
    ["\u009b31mC1\u009d0;t\u009c \u0085next\n", "C1 next\n"],
    ["user\u202egpj.exe\u2066x\n", "usergpj.exex\n"],
    ["größer 日本語 👩‍💻\n", "größer 日本語 👩‍💻\n"],
    ["\x1b[2\x1b[Jx\n", "x\n"],
    ["half \ud83d of one\n", "half \ufffd of one\n"],
  ];
  for (const [said, want] of cases) {
    for (const size of [1, 2, 1000]) assert.equal(shown("shell", said, size), want, JSON.stringify(said));
  }
  const hostile = { type: "text", text: "\x1b]0;owned\x07\x1b[2Jhi" };
  const tool = { type: "tool_use", name: "B\x1bash", input: { command: "x\x1b[1A" } };
  const line = JSON.stringify({ type: "assistant", message: { content: [hostile, tool] } });
  assert.equal(shown("claude", line + "\n", 50), "hi\n→ Bsh x\n");
});

test("of a stream, standard output is shown", () => {
  const printer = new Printer("shell");
  const output = (stream: "stdout" | "stderr", data: string): StreamEvent => ({
    type: "output",
    id: 1,
    extra: { stream, data, turn: 1 },
  });
  const events: StreamEvent[] = [
    output("stdout", "one "),
    output("stderr", "no "),
    output("stdout", "two"),
    { type: "exit", id: 1, extra: { code: 0 } },
  ];
  assert.equal(events.map((event) => printer.consume(event)).join("") + printer.flush(), "one two\n");
});
