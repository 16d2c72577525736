// Makes the calls of a scenario with the TypeScript SDK, as README.md tells runners to.
import { text } from "node:stream/consumers";

import * as aod from "@agent-on-demand/sdk";

const kinds = new Map([
  [aod.AuthError, "auth"],
  [aod.NotFoundError, "not_found"],
  [aod.ConflictError, "conflict"],
  [aod.ValidationError, "validation"],
  [aod.RateLimitError, "rate_limit"],
  [aod.ServerError, "server"],
  [aod.AodHTTPError, "http"],
  [aod.AodConnectionError, "connection"],
]);

/** The client that a scenario asks for. */
function clientOf({ token, timeout, retries, reconnects, wait_for_quota: waitForQuota }) {
  const timeoutMs = timeout && timeout * 1000;
  return new aod.Client({ token, timeoutMs, retries, reconnects, waitForQuota, pauses: { firstMs: 1, lastMs: 5 } });
}

/** What comes of a call. */
async function call(client, name, { id, since, until, ...fields }) {
  const [noun, verb] = name.split(".");
  if (verb === undefined) return client[noun]();
  const resource = client[noun];
  switch (verb) {
    case "stream":
      return read(await resource.stream(id, { since }), until);
    case "follow":
      return read(resource.follow(id, { since }), until);
    case "list":
      return collected(resource.list(fields));
    case "run": {
      const { session, events } = await resource.run(fields);
      return { session, events: events.map(plain) };
    }
    case "wait": {
      const { session, events } = await resource.wait(id);
      return { session, events: events.map(plain) };
    }
    case "create":
      return resource.create(fields);
    case "update":
    case "prompt":
      return resource[verb](id, fields);
  }
  return resource[verb](id);
}

/** The rows of a list. */
async function collected(list) {
  const rows = [];
  for await (const row of list) rows.push(row);
  return rows;
}

/** The events of a stream, up to the first of that type. */
async function read(stream, until) {
  const events = [];
  for await (const event of stream) {
    events.push(plain(event));
    if (event.type === until) break;
  }
  return events;
}

/** An event as it was sent. */
function plain({ type, id, extra }) {
  return { type, ...(id === null ? {} : { id }), ...extra };
}

/** An error as README.md describes it. */
function failure(error) {
  const { statusCode: status_code, detail, method, url, limit, active } = error;
  return { kind: kinds.get(error.constructor) ?? error.name, status_code, detail: detail ?? error.message, method, url, limit, active };
}

/** The value with results in the place of ${name.field}. */
function referred(value, results) {
  const found = (_, path) => path.split(".").reduce((fields, step) => fields[step], results);
  return JSON.parse(JSON.stringify(value).replace(/\$\{([a-z_.]+)\}/g, found));
}

const { client: settings, steps } = JSON.parse(await text(process.stdin));
const client = clientOf(settings ?? {});
const results = { url: client.baseUrl };
for (const { call: name, with: given = {}, as } of steps) {
  let outcome;
  try {
    outcome = { result: (await call(client, name, referred(given, results))) ?? null };
  } catch (error) {
    if (!(error instanceof aod.AodError || error instanceof TypeError)) throw error;
    outcome = { error: failure(error) };
  }
  if (as) results[as] = outcome.result;
  console.log(JSON.stringify(outcome));
}
