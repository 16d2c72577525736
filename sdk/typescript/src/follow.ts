import { pause } from "./abort.js";
import type { Caller } from "./caller.js";
import { AodConnectionError, AodHTTPError } from "./errors.js";
import type { StreamEvent } from "./event.js";
import { openStream, type StreamOptions } from "./stream.js";

/** How long a connection lasts that counts as a good one though it showed nothing new. */
const steadyMs = 30_000;

/** Yields the events of a session, each once, over as many connections as it takes to come to an end. */
export async function* follow(
  caller: Caller,
  id: string,
  { since = 0, signal }: StreamOptions,
  ends: (event: StreamEvent) => boolean,
): AsyncGenerator<StreamEvent, void, undefined> {
  const shown = new Shown(since);
  for (let failures = 0; ; failures++) {
    const opened = Date.now();
    let failure: unknown;
    try {
      for await (const event of await openStream(caller, id, { since: shown.row || undefined, signal })) {
        if (!shown.adds(event)) continue;
        failures = 0;
        yield event;
        if (ends(event)) return;
      }
    } catch (error) {
      if (signal?.aborted || final(error)) throw error;
      failure = error;
    }
    if (Date.now() - opened > steadyMs) failures = 0;
    if (failures >= caller.settings.reconnects) {
      const said = failure instanceof Error ? `: ${failure.message}` : "";
      throw new AodConnectionError(`came back ${failures} times to nothing new${said}`, { cause: failure });
    }
    await pause(caller.backoff(failures), signal);
  }
}

/** What has been shown of a session. */
class Shown {
  row: number;
  #started = false;
  #turn = 0;

  constructor(row: number) {
    this.row = row;
  }

  /** Takes an event down, and says whether it is new. Each connection tells anew how it starts and whose turn it is. */
  adds(event: StreamEvent): boolean {
    switch (event.type) {
      case "start": {
        const first = !this.#started;
        this.#started = true;
        return first;
      }
      case "turn_start": {
        const next = event.extra.turn !== this.#turn;
        this.#turn = event.extra.turn;
        return next;
      }
      case "stage":
      case "output": {
        const later = event.id > this.row;
        if (later) this.row = event.id;
        return later;
      }
    }
    return true;
  }
}

/** Whether coming back is of no use. */
function final(error: unknown): boolean {
  return (
    error instanceof AodHTTPError && error.statusCode < 500 && error.statusCode !== 429 && error.statusCode !== 408
  );
}
