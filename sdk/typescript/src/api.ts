import createClient, { type Client as OpenApiClient } from "openapi-fetch";

import type { Caller } from "./caller.js";
import { UnexpectedAnswerError } from "./errors.js";
import type { paths } from "./gen/api.js";

/** The calls of the API document, as they are. What is refused is thrown as an AodHTTPError. */
export type Api = OpenApiClient<paths>;

/** What every call takes. */
export interface CallOptions {
  /** Gives the call up when it aborts; its reason is then thrown. */
  signal?: AbortSignal;
}

/** What a call that makes something takes. */
export interface CreateOptions extends CallOptions {
  /** By which the server knows the call when it is made again; without it each call has a random one. */
  idempotencyKey?: string;
}

export function apiOf(caller: Caller): Api {
  return createClient<paths>({ baseUrl: caller.settings.baseUrl, fetch: caller.call });
}

/** The parameters of a call that makes something. */
export function keyed({ idempotencyKey }: CreateOptions) {
  return { "Idempotency-Key": idempotencyKey };
}

/** The body of an answer. */
export async function answered<T>(call: Promise<{ data?: T; response: Response }>): Promise<T> {
  let data: T | undefined;
  try {
    ({ data } = await call);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new UnexpectedAnswerError("the answer is no JSON: check the base URL", { cause: error });
    throw error;
  }
  if (data === undefined) throw new UnexpectedAnswerError("the answer is empty: check the base URL");
  return data;
}
