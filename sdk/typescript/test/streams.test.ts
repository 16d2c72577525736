import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { AodConnectionError, Client, NotFoundError, type StreamEvent } from "@agent-on-demand/sdk";

import { answer, dropped, exit, frames, gateway, row, serve, start, token, turn, type Handler } from "./service.js";

/** Writes events down, and what went wrong. */
async function told(events: AsyncIterable<StreamEvent>): Promise<{ all: string[]; error: unknown }> {
  const all: string[] = [];
  try {
    for await (const { type, id, extra } of events)
      all.push([type, id, "data" in extra ? extra.data : ""].join(" ").trim());
  } catch (error) {
    return { all, error };
  }
  return { all, error: undefined };
}

test("follow shows each event once", async () => {
  const { client, calls } = await serve(
    frames(start + ": heartbeat\n\n" + turn(1, 1) + row(1, 1)),
    gateway,
    frames(start + turn(2, 1)), // cut before the row that it announces
    frames(start + turn(2, 1) + row(1, 1) + row(2, 1) + turn(3, 2)), // a row too many
    dropped,
    frames(start + turn(3, 2) + row(3, 2).slice(0, -12)), // cut in its middle
    frames(start + turn(3, 2) + "id: 3\n"),
    frames(start + turn(3, 2) + row(3, 2) + exit(3, 0) + row(4, 2)),
  );
  assert.deepEqual(await told(client().sessions.follow("s")), {
    all: ["start", "turn_start 1", "output 1 <1>", "output 2 <2>", "turn_start 3", "output 3 <3>", "exit 3"],
    error: undefined,
  });
  const since = calls.map((call) => /since=(\d+)/.exec(call)?.[1]);
  assert.deepEqual(since, [undefined, "1", "1", "1", "2", "2", "2", "2"]);
});

test("follow gives up on what never comes", async () => {
  const { client, calls } = await serve(frames(start + turn(1, 1) + row(1, 1)), frames(start));
  const { all, error } = await told(client({ reconnects: 4 }).sessions.follow("s"));
  assert(error instanceof AodConnectionError);
  assert.match(error.message, /came back 4 times to nothing new: .* ended before the session did/);
  assert.equal(all.length, 3);
  assert.equal(calls.length, 5);
});

test("follow goes on while something new comes, however often the stream breaks", async () => {
  const broken = Array.from({ length: 30 }, (_, i) => frames(start + row(i + 1, 1)));
  const { client } = await serve(...broken, frames(start + exit(30, 0)));
  const { all, error } = await told(client({ reconnects: 1 }).sessions.follow("s"));
  assert.equal(error, undefined);
  assert.equal(all.length, 32);
});

test("follow ends with what the server refuses for good", async () => {
  const { client, calls } = await serve(frames(start), answer(404, '{"detail":"Session not found"}'));
  const { error } = await told(client().sessions.follow("s"));
  assert(error instanceof NotFoundError);
  assert.equal(calls.length, 2);
});

test("a stream ends with the session or with an error", async () => {
  const whole = start + row(1, 1) + exit(1, 3);
  const cases: [string, number, RegExp?][] = [
    [whole, 3],
    [whole.replaceAll("\n", "\r\n"), 3],
    [start + "event: x\nretry: 5\n\ndata\n\n" + exit(0, 0), 2],
    [start + row(1, 1), 2, /the connection ended before the session did/],
    [start + "data: {]\n\n", 1, /an event is no JSON/],
    ["data: 7\n\n", 0, /an event is no JSON/],
    [start + `data: ${"x".repeat(2 << 20)}\n\n`, 1, /an event is too long/],
    ["", 0, /the connection ended before the session did/],
  ];
  for (const [text, events, words] of cases) {
    const { client } = await serve(frames(text));
    const { all, error } = await told(await client().sessions.stream("s"));
    assert.equal(all.length, events, text.slice(0, 300));
    if (!words) assert.equal(error, undefined);
    else assert(error instanceof AodConnectionError && words.test(error.message), String(error));
  }
});

test("a stream is refused before it is read, and begins where it is told to", async () => {
  const { client, calls } = await serve(answer(404, '{"detail":"Session not found"}'), frames(exit(7, 0)));
  await assert.rejects(client().sessions.stream("s/../x"), NotFoundError);
  const events = await told(await client().sessions.stream("s", { since: 0 }));
  assert.deepEqual(events.all, ["exit 7"]);
  assert.deepEqual(calls, ["GET /sessions/s%2F..%2Fx/stream ", "GET /sessions/s/stream?since=0 "]);
});

test("what the server will add one day is passed on", async () => {
  const { client } = await serve(
    frames('data: {"type":"new","id":3,"more":[1]}\n\ndata: {"data":"x"}\n\n' + exit(3, 0)),
  );
  const all: StreamEvent[] = [];
  for await (const event of await client().sessions.stream("s")) all.push(event);
  assert.deepEqual(all, [
    { type: "new", id: 3, extra: { more: [1] } },
    { type: "output", id: null, extra: { data: "x" } },
    { type: "exit", id: 3, extra: { code: 0 } },
  ]);
});

test("a connection is left when its reader is done with it", async () => {
  let left = 0;
  let allLeft!: () => void;
  const over = new Promise<void>((done) => (allLeft = done));
  const open: Handler = (_, response) => {
    response.on("close", () => {
      if (++left === 5) allLeft();
    });
    response.write(start + row(1, 1));
  };
  const { client } = await serve(open);
  const { sessions } = client();
  for await (const event of sessions.follow("s")) if (event.type === "output") break;
  const handle = await sessions.stream("s");
  for await (const event of handle) {
    assert.equal(event.type, "start"); // what follows does not come
    handle.close();
  }
  handle.close();
  (await sessions.stream("s")).close();
  const reason = new Error("enough");
  const untilOutput = async (events: AsyncIterable<StreamEvent>, enough: AbortController) => {
    for await (const event of events)
      if (event.type === "output")
        setImmediate(() => {
          enough.abort(reason);
        });
  };
  const [one, other] = [new AbortController(), new AbortController()];
  await assert.rejects(untilOutput(await sessions.stream("s", { signal: one.signal }), one), reason);
  await assert.rejects(untilOutput(sessions.follow("s", { signal: other.signal }), other), reason);
  await over;
});

test("a connection on which nothing comes any more is left for another", async () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  let connections = 0;
  const { sessions } = new Client({
    baseUrl: "http://aod.test",
    token,
    fetch: () => {
      const first = ++connections === 1;
      let beats = 0;
      const body = new ReadableStream<Uint8Array>({
        start: (stream) => {
          stream.enqueue(encode(first ? start + row(1, 1) : start));
        },
        pull: async (stream) => {
          if (first) return new Promise(() => undefined); // never again
          await new Promise((done) => setTimeout(done, 15_000));
          stream.enqueue(encode(++beats < 20 ? ": heartbeat\n\n" : exit(1, 0))); // nothing new for five minutes, but alive
        },
      });
      return Promise.resolve(new Response(body));
    },
  });
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const events = told(sessions.follow("s"));
    const steps = { left: 1000 };
    void events.then(() => (steps.left = 0));
    for (; steps.left > 0; steps.left--) {
      mock.timers.tick(1000);
      await new Promise((done) => setImmediate(done));
    }
    assert.deepEqual(await events, { all: ["start", "output 1 <1>", "exit 1"], error: undefined });
    assert.equal(connections, 2);
    assert(Date.now() > 360_000 && Date.now() < 420_000, String(Date.now()));
  } finally {
    mock.timers.reset();
  }
});

test("waiting goes on after the server has lost patience", async () => {
  const stale = 'id: 1\ndata: {"type":"stale","id":1,"message":"No output for 600s"}\n\n';
  const { client } = await serve(
    answer(202, '{"id":"s","status":"pending"}'),
    frames(start + row(1, 1) + stale),
    frames(start + turn(2, 1) + row(2, 1) + exit(2, 0)),
    answer(200, '{"id":"s","status":"completed"}'),
  );
  const seen: string[] = [];
  const { session, events } = await client().sessions.run(
    { agent_id: "a", prompt: "p" },
    { onEvent: ({ type }) => seen.push(type) },
  );
  assert.equal(session.status, "completed");
  assert.deepEqual(seen, ["start", "output", "stale", "turn_start", "output", "exit"]);
  assert.deepEqual(
    events.map(({ type }) => type),
    seen,
  );
});
