import { isObject } from "./errors.js";
import type { Event } from "./gen/api.js";

/** Where the fields of each type of event are. */
type Told<E> = E extends { type: infer T }
  ? { type: T; id: E extends { id: infer I } ? I : null; extra: Omit<E, "type" | "id"> }
  : never;

/**
 * One event of a session's stream. `id` is that of its row in the session's log; `extra` has
 * the other fields, and which those are follows from `type`.
 */
export type StreamEvent = Told<Event>;

/** What an event may be. */
export type StreamEventType = StreamEvent["type"];

/** Says whether an event is the last of its stream. */
export function endsStream(event: StreamEvent): boolean {
  return endsSession(event) || event.type === "stale";
}

/** Says whether an event tells that the session's turn is over. */
export function endsSession(event: StreamEvent): boolean {
  return event.type === "exit" || event.type === "error" || event.type === "terminated";
}

/** The event in the data of a frame, or undefined if it holds none. */
export function parseEvent(data: string): StreamEvent | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (!isObject(fields)) return undefined;
  const { type, id, ...extra } = fields;
  // The server sends only what the document describes, which gen/ is made from.
  return {
    type: typeof type === "string" ? type : "output",
    id: typeof id === "number" ? id : null,
    extra,
  } as StreamEvent;
}
