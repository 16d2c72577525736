import { createParser } from "eventsource-parser";

import { Linked, orAbort } from "./abort.js";
import { broken, readAll, type Caller } from "./caller.js";
import { AodConnectionError, AodError, refused } from "./errors.js";
import { endsStream, parseEvent, type StreamEvent } from "./event.js";

const eventLimit = 1 << 20; // characters of one event; a row has 16 KiB at most
const closed = Symbol("closed"); // why a connection was left that nobody reads any more
const silenceMs = 60_000; // after which a connection is dead: a server says something every 15 seconds

/** Which part of a stream is read. */
export interface StreamOptions {
  /** The row after which to begin; without it, with the first. */
  since?: number;
  /** Ends the stream when it aborts; its reason is then thrown. */
  signal?: AbortSignal;
}

/**
 * The events of one connection, first those that are stored, then as they come. They end
 * after an exit, error, terminated or stale event, after `close()`, or with an error. They
 * can be read once.
 */
export class StreamHandle implements AsyncIterable<StreamEvent> {
  readonly #connection: Linked;
  readonly #events: AsyncGenerator<StreamEvent, void, undefined>;

  constructor(what: string, answer: Response, connection: Linked) {
    this.#connection = connection;
    this.#events = this.#read(what, answer);
  }

  [Symbol.asyncIterator](): AsyncIterator<StreamEvent, void, undefined> {
    return this.#events;
  }

  /** Leaves the connection. */
  close(): void {
    this.#connection.abort(closed);
    this.#connection.release();
  }

  async *#read(what: string, answer: Response): AsyncGenerator<StreamEvent, void, undefined> {
    const frames: string[] = [];
    const faults: string[] = [];
    const parser = createParser({
      maxBufferSize: eventLimit,
      onEvent: ({ data }) => {
        if (data !== "") frames.push(data);
      },
      onError: ({ type }) => {
        if (type === "max-buffer-size-exceeded") faults.push("an event is too long");
      },
    });
    const decoder = new TextDecoder();
    const reader = (answer.body ?? nothing()).getReader();
    try {
      for (;;) {
        const chunk = await this.#next(what, reader);
        if (!chunk) return;
        parser.feed(decoder.decode(chunk, { stream: true }));
        for (const data of frames.splice(0)) {
          if (this.#connection.signal.aborted) break;
          const event = parseEvent(data);
          if (!event) throw new AodConnectionError(`${what}: an event is no JSON`);
          yield event;
          if (endsStream(event)) return;
        }
        if (faults.length > 0) throw new AodConnectionError(`${what}: ${faults.join()}`);
      }
    } finally {
      this.close();
      reader.cancel().catch(() => undefined); // what is left of it is of no interest
    }
  }

  /** The next chunk, or nothing after `close()`. */
  async #next(what: string, reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
    const { signal } = this.#connection;
    try {
      const { value } = await unlessSilent(what, this.#connection, reader.read());
      if (value) return value;
    } catch (error) {
      if (signal.reason === closed) return undefined;
      throw signal.aborted || error instanceof AodError ? error : broken(what, error);
    }
    throw new AodConnectionError(`${what}: the connection ended before the session did`);
  }
}

/** The body of an answer that has none. */
function nothing(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (body) => {
      body.close();
    },
  });
}

/** Opens a stream. */
export async function openStream(caller: Caller, id: string, options: StreamOptions): Promise<StreamHandle> {
  const { settings } = caller;
  const query = options.since === undefined ? "" : `?since=${encodeURIComponent(options.since)}`;
  const url = `${settings.baseUrl}/sessions/${encodeURIComponent(id)}/stream${query}`;
  const what = `GET ${url}`;
  const connection = new Linked(options.signal);
  try {
    const init: RequestInit = {
      headers: caller.sign({ Accept: "text/event-stream" }),
      redirect: "manual",
      signal: connection.signal,
    };
    const answer = await unlessSilent(what, connection, settings.fetch(url, init));
    if (answer.status === 200) return new StreamHandle(what, answer, connection);
    throw refused("GET", url, answer, await unlessSilent(what, connection, readAll(answer)));
  } catch (error) {
    connection.release();
    throw connection.signal.aborted || error instanceof AodError ? error : broken(what, error);
  }
}

/** What the work results in, unless that takes so long that the connection must be dead. */
async function unlessSilent<T>(what: string, connection: Linked, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => {
    connection.abort(new AodConnectionError(`${what}: nothing was heard for a minute`));
  }, silenceMs);
  try {
    return await orAbort(work, connection.signal);
  } finally {
    clearTimeout(timer);
  }
}
