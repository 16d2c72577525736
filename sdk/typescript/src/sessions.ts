import { answered, keyed, type Api, type CallOptions, type CreateOptions } from "./api.js";
import type { Caller } from "./caller.js";
import { endsSession, endsStream, type StreamEvent } from "./event.js";
import { follow } from "./follow.js";
import type {
  Session,
  SessionCreate,
  SessionCreated,
  SessionPrompt,
  SessionPrompted,
  SessionStatus,
  SessionTerminated,
  Turn,
} from "./gen/api.js";
import { List, pageSize } from "./list.js";
import { openStream, type StreamHandle, type StreamOptions } from "./stream.js";

/** Which sessions are listed. */
export interface SessionFilter {
  /** Only those that are there in their life. */
  status?: SessionStatus[];
  /** Only those of this agent. */
  agent_id?: string;
  /** How many are asked for at once. */
  limit?: number;
}

/** How a session is waited for. */
export interface WaitOptions extends StreamOptions {
  /** Is called with each event, and waited for. */
  onEvent?: (event: StreamEvent) => unknown;
  /** Whether the result has the events; true without it. */
  collectEvents?: boolean;
}

/** A session whose turn is over, and what it said. */
export interface RunResult {
  session: Session;
  events: StreamEvent[];
}

/** The calls that are about sessions. */
export class Sessions {
  readonly #api: Api;
  readonly #caller: Caller;

  constructor(api: Api, caller: Caller) {
    this.#api = api;
    this.#caller = caller;
  }

  /** Starts a session and its first turn. */
  create(session: SessionCreate, options: CreateOptions = {}): Promise<SessionCreated> {
    const { signal } = options;
    return answered(this.#api.POST("/sessions", { params: { header: keyed(options) }, body: session, signal }));
  }

  /** Lists the sessions, the newest first. */
  list({ status, agent_id, limit = pageSize, signal }: SessionFilter & CallOptions = {}): List<Session> {
    return new List((cursor) =>
      answered(this.#api.GET("/sessions", { params: { query: { status, agent_id, limit, cursor } }, signal })),
    );
  }

  /** Finds a session by its id. */
  get(session_id: string, { signal }: CallOptions = {}): Promise<Session> {
    return answered(this.#api.GET("/sessions/{session_id}", { params: { path: { session_id } }, signal }));
  }

  /** Starts the next turn of a completed session. */
  prompt(session_id: string, prompt: SessionPrompt, options: CreateOptions = {}): Promise<SessionPrompted> {
    const { signal } = options;
    const params = { path: { session_id }, header: keyed(options) };
    return answered(this.#api.POST("/sessions/{session_id}/prompt", { params, body: prompt, signal }));
  }

  /** Lists the turns of a session, the first one first. */
  async turns(session_id: string, { signal }: CallOptions = {}): Promise<Turn[]> {
    const call = this.#api.GET("/sessions/{session_id}/turns", { params: { path: { session_id } }, signal });
    return (await answered(call)).data;
  }

  /** Ends a session, whatever it does, and its Sprite. */
  terminate(session_id: string, { signal }: CallOptions = {}): Promise<SessionTerminated> {
    return answered(this.#api.POST("/sessions/{session_id}/terminate", { params: { path: { session_id } }, signal }));
  }

  /** Removes a session that is not active, with its turns and its log. */
  async delete(session_id: string, { signal }: CallOptions = {}): Promise<void> {
    await answered(this.#api.DELETE("/sessions/{session_id}/delete", { params: { path: { session_id } }, signal }));
  }

  /** Opens the stream of a session. What the server refuses is thrown here. */
  stream(id: string, options: StreamOptions = {}): Promise<StreamHandle> {
    return openStream(this.#caller, id, options);
  }

  /**
   * Yields the events of a session until its turn ends or nothing comes for ten minutes, over
   * as many connections as that takes. No event is shown twice and none is left out. It gives
   * up, with an error, when it has come back many times in a row to nothing new
   * (`reconnects`), or when the server refuses.
   */
  follow(id: string, options: StreamOptions = {}): AsyncGenerator<StreamEvent, void, undefined> {
    return follow(this.#caller, id, options, endsStream);
  }

  /** Waits until the turn of a session is over, however long that takes. */
  async wait(id: string, options: WaitOptions = {}): Promise<RunResult> {
    const { onEvent, collectEvents = true, signal } = options;
    const events: StreamEvent[] = [];
    for await (const event of follow(this.#caller, id, options, endsSession)) {
      if (collectEvents) events.push(event);
      await onEvent?.(event);
    }
    return { session: await this.get(id, { signal }), events };
  }

  /** Starts a session and waits until its turn is over. When the signal aborts, the session goes on. */
  async run(session: SessionCreate, options: CreateOptions & Omit<WaitOptions, "since"> = {}): Promise<RunResult> {
    const { id } = await this.create(session, options);
    return this.wait(id, options);
  }
}
