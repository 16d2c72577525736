import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import * as sdk from "@agent-on-demand/sdk";

import { answer, away, cut, dropped, gateway, serve, token, vacant } from "./service.js";

const created = answer(202, '{"id":"s","status":"pending","current_turn":1}');
const full = answer(429, '{"detail":"Concurrent session limit reached (3/3).","limit":3,"active":3}');

test("a call that creates is made again with the same key until it is answered", async () => {
  const { client, calls } = await serve(dropped, gateway, away, cut, created);
  const { sessions } = client({ retries: 4 });
  assert.equal((await sessions.create({ agent_id: "a", prompt: "p" })).id, "s");
  assert.equal(calls.length, 5);
  assert.equal(new Set(calls).size, 1);
  assert.match(calls[0] ?? "", /^POST \/sessions \w{32}$/);
  await sessions.create({ agent_id: "a", prompt: "p" });
  await sessions.prompt("s", { prompt: "p" }, { idempotencyKey: "my own" });
  assert.equal(new Set(calls).size, 3);
  assert.equal(calls[6], "POST /sessions/s/prompt my own");
});

test("a call that might be done twice is made once, unless nothing was done", async () => {
  for (const first of [dropped, gateway]) {
    const { client, calls } = await serve(first, answer(200, "{}"));
    await assert.rejects(client().sessions.terminate("s"), sdk.AodError);
    assert.equal(calls.length, 1);
  }
  const { client, calls } = await serve(away, answer(200, '{"id":"s"}'), dropped, gateway, answer(200, '{"id":"s"}'));
  await client().sessions.terminate("s");
  assert.equal(calls.length, 2);
  await client().sessions.get("s");
  assert.equal(calls.length, 5);
});

test("retries end", async () => {
  const { client, calls } = await serve(away);
  await assert.rejects(
    client({ retries: 2 }).sessions.get("s"),
    (error) => error instanceof sdk.ServerError && error.detail === "not now",
  );
  assert.equal(calls.length, 3);
});

test("a server that is not there yet is waited for, whatever the call", async () => {
  const { url, client } = await serve(answer(200, '{"id":"s","status":"terminated"}'));
  const nobody = await vacant();
  let tries = 0;
  const { sessions } = client({ fetch: (at, init) => fetch(++tries < 3 ? at.replace(url, nobody) : at, init) });
  assert.equal((await sessions.terminate("s")).status, "terminated");
  assert.equal(tries, 3);
  const alone = client({ baseUrl: nobody, retries: 0 });
  await assert.rejects(alone.health(), (error) => {
    return error instanceof sdk.AodConnectionError && /GET http.*\/health: .*ECONNREFUSED/.test(error.message);
  });
});

test("the quota is waited for only when asked to", async () => {
  const one = await serve(full, full, created);
  await assert.rejects(one.client().sessions.create({ agent_id: "a", prompt: "p" }), (error) => {
    return error instanceof sdk.RateLimitError && error.limit === 3 && error.active === 3;
  });
  assert.equal(one.calls.length, 1);
  const other = await serve(full, full, created);
  await other.client({ waitForQuota: true }).sessions.create({ agent_id: "a", prompt: "p" });
  assert.equal(other.calls.length, 3);
});

test("refusals say what and where", async () => {
  const list = [
    { type: "missing", loc: ["name"], msg: "Field required", input: {} },
    { type: "value_error", loc: ["skills", 0], msg: "Value error, no", input: 1 },
    { type: "x", loc: [], msg: "all" },
  ];
  const cases: [number, string, new (...args: never[]) => sdk.AodHTTPError, unknown, string][] = [
    [401, '{"detail":"Invalid API key"}', sdk.AuthError, "Invalid API key", "Invalid API key"],
    [403, "", sdk.AuthError, null, "no reason given"],
    [404, '{"detail":"Agent not found"}', sdk.NotFoundError, "Agent not found", "Agent not found"],
    [
      409,
      '{"detail":"Agent is already archived"}',
      sdk.ConflictError,
      "Agent is already archived",
      "Agent is already archived",
    ],
    [400, '{"detail":"Invalid JSON"}', sdk.AodHTTPError, "Invalid JSON", "Invalid JSON"],
    [422, JSON.stringify({ detail: list }), sdk.ValidationError, list, "name: Field required; skills.0: no; all"],
    [422, '{"detail":"mismatch"}', sdk.ValidationError, "mismatch", "mismatch"],
    [429, '{"detail":"full","limit":"x"}', sdk.RateLimitError, "full", "full"],
    [500, "<html>", sdk.ServerError, "<html>", "<html>"],
    [405, '{"detail":{"a":1}}', sdk.AodHTTPError, { a: 1 }, '{"a":1}'],
    [405, '{"a":1}', sdk.AodHTTPError, { a: 1 }, '{"a":1}'],
    [301, "", sdk.AodHTTPError, "the server is at https://elsewhere.test/", "the server is at https://elsewhere.test/"],
  ];
  for (const [status, body, kind, detail, words] of cases) {
    const headers = { "X-Request-Id": "r1", Location: "https://elsewhere.test/" };
    const { url, client } = await serve(answer(status, body, headers));
    const error: unknown = await client({ retries: 0 })
      .agents.get("x y")
      .catch((e: unknown) => e);
    assert(
      error instanceof sdk.AodHTTPError && error instanceof sdk.AodError && error.constructor === kind,
      String(error),
    );
    assert.equal(error.name, kind.name);
    assert.equal(error.message, `GET ${url}/agents/x%20y -> ${status}: ${words}`);
    const { statusCode, method, requestId } = error;
    assert.deepEqual(
      [statusCode, error.detail, method, error.url, requestId],
      [status, detail, "GET", `${url}/agents/x%20y`, "r1"],
    );
  }
});

test("what is no answer of the API is an error", async () => {
  for (const [body, words] of [
    ["<html>", /no JSON/],
    ["", /empty/],
  ] as const) {
    const { client } = await serve(answer(200, body));
    await assert.rejects(
      client().agents.get("a"),
      (error) => error instanceof sdk.UnexpectedAnswerError && words.test(error.message),
    );
  }
});

test("a call ends in time, and when its caller wants it to", async () => {
  const { client, calls } = await serve(() => undefined, answer(200, '{"id":"s"}'));
  assert.equal((await client({ timeoutMs: 100, retries: 1000 }).sessions.get("s")).id, "s");
  assert(calls.length > 1);
  const slow = await serve((_, response) => response.write("{"));
  await assert.rejects(slow.client({ timeoutMs: 20, retries: 0 }).sessions.get("s"), (error) => {
    return error instanceof sdk.AodConnectionError && error.message.includes("no answer within 20 ms");
  });
  const reason = new Error("enough");
  const waiting = new AbortController();
  const hung = await serve(() => {
    waiting.abort(reason);
  });
  await assert.rejects(hung.client().sessions.get("s", { signal: waiting.signal }), reason);
  await assert.rejects(hung.client().agents.list({ signal: waiting.signal }), reason);
  const between = new AbortController();
  const busy = await serve((_, response) => {
    response.writeHead(503, { "Retry-After": "60" }).end(() => {
      setImmediate(() => {
        between.abort(reason);
      });
    });
  });
  await assert.rejects(busy.client().sessions.get("s", { signal: between.signal }), reason);
  assert.equal(busy.calls.length, 1);
});

test("lists go on from page to page", async () => {
  const first = answer(200, '{"data":[{"id":"1"},{"id":"2"}],"has_more":true,"next_cursor":"c"}');
  const second = answer(200, '{"data":[{"id":"3"}],"has_more":false,"next_cursor":null}');
  const { client, calls } = await serve(first, second, first, second, first);
  const { agents } = client();
  const ids: string[] = [];
  for await (const { id } of agents.list({ metadata: { "a&b": "c d" }, limit: 2 })) ids.push(id);
  assert.deepEqual(ids, ["1", "2", "3"]);
  assert.deepEqual(calls.slice(0, 2), [
    "GET /agents?metadata[a%26b]=c%20d&limit=2 ",
    "GET /agents?metadata[a%26b]=c%20d&limit=2&cursor=c ",
  ]);
  assert.deepEqual(
    (await agents.list()).map(({ id }) => id),
    ["1", "2", "3"],
  );
  assert.deepEqual(calls.slice(2), ["GET /agents?limit=100 ", "GET /agents?limit=100&cursor=c "]);
  for await (const { id } of agents.list()) {
    assert.equal(id, "1");
    break;
  }
  assert.equal(calls.length, 5);
  const refusing = await serve(answer(401, '{"detail":"Invalid API key"}'));
  await assert.rejects(refusing.client().sessions.list({ status: ["running", "failed"] }), sdk.AuthError);
  assert.deepEqual(refusing.calls, ["GET /sessions?status=running&status=failed&limit=100 "]);
});

test("settings come from the environment", () => {
  const { env } = process;
  delete env.AOD_API_TOKEN;
  env.AOD_API_URL = "https://aod.test/";
  assert.throws(() => new sdk.Client(), /token.*AOD_API_TOKEN/);
  env.AOD_API_TOKEN = token;
  assert.equal(new sdk.Client().baseUrl, "https://aod.test");
  delete env.AOD_API_URL;
  assert.equal(new sdk.Client().baseUrl, "http://localhost:8777");
  assert.equal(new sdk.Client({ baseUrl: "http://x.test/base/" }).baseUrl, "http://x.test/base");
  for (const bad of ["x.test", "ftp://x.test", "http://", "http://user:word@x.test", "http://x.test?q=1", "://"]) {
    assert.throws(
      () => new sdk.Client({ baseUrl: bad }),
      (error) => error instanceof sdk.AodError && !error.message.includes("word"),
    );
  }
  assert.throws(
    () => new sdk.Client({ token: "two words" }),
    (error) => error instanceof sdk.AodError && !error.message.includes("words"),
  );
  delete env.AOD_API_TOKEN;
});

test("the token is in the header of a request and nowhere else", async () => {
  const { client, requests } = await serve(answer(500, "{}"));
  const it = client({ retries: 0 });
  const error = await it.health().catch((e: unknown) => e);
  const { inspect } = await import("node:util");
  assert(!inspect([it, it.agents, it.sessions, error], { depth: 20, showHidden: true }).includes(token));
  assert.equal(requests[0]?.headers.authorization, `Bearer ${token}`);
  assert.equal(requests[0].headers["user-agent"], `aod-typescript/${sdk.VERSION}`);
  const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
  assert.equal(sdk.VERSION, version);
});
