/** What every error of this package is, but an abort by the caller's own signal. */
export class AodError extends Error {
  override readonly name: string = "AodError";
}

/** There was no answer, or none that could be read: the connection failed, broke or was silent. */
export class AodConnectionError extends AodError {
  override readonly name = "AodConnectionError";
}

/** An answer is none of this API: something else answers, or a newer server. */
export class UnexpectedAnswerError extends AodError {
  override readonly name = "UnexpectedAnswerError";
}

/** What a refusal is made of. */
export interface Refusal {
  statusCode: number;
  detail: unknown;
  method: string;
  url: string;
  requestId?: string | null;
}

/** An answer of the server that refuses a call. */
export class AodHTTPError extends AodError {
  override readonly name: string = "AodHTTPError";
  readonly statusCode: number;
  /** The server's reason: a text, or for a 422 also a list of what is wrong; null without one. */
  readonly detail: unknown;
  readonly method: string;
  readonly url: string;
  /** The name of the call in the server's log. */
  readonly requestId: string | null;

  constructor(refusal: Refusal) {
    const { statusCode, detail, method, url, requestId = null } = refusal;
    super(`${method} ${url} -> ${statusCode}: ${inWords(detail)}`);
    this.statusCode = statusCode;
    this.detail = detail;
    this.method = method;
    this.url = url;
    this.requestId = requestId;
  }
}

/** The token is missing, wrong or expired (401), or may not do this (403). */
export class AuthError extends AodHTTPError {
  override readonly name = "AuthError";
}

/** There is no such row, or it is somebody else's (404). */
export class NotFoundError extends AodHTTPError {
  override readonly name = "NotFoundError";
}

/** The state of things forbids the call (409). */
export class ConflictError extends AodHTTPError {
  override readonly name = "ConflictError";
}

/** The request breaks a rule (422). */
export class ValidationError extends AodHTTPError {
  override readonly name = "ValidationError";
}

/** The user has as many active sessions as allowed (429). */
export class RateLimitError extends AodHTTPError {
  override readonly name = "RateLimitError";
  /** How many sessions may be active at once. */
  readonly limit: number | null;
  /** How many are. */
  readonly active: number | null;

  constructor(refusal: Refusal, limit: number | null, active: number | null) {
    super(refusal);
    this.limit = limit;
    this.active = active;
  }
}

/** The server, or what stands before it, has failed (500 and above). */
export class ServerError extends AodHTTPError {
  override readonly name = "ServerError";
}

/** The error that an answer stands for. */
export function refused(method: string, url: string, answer: Response, text: string): AodHTTPError {
  const body = json(text);
  const fields = isObject(body) ? body : {};
  let detail: unknown = "detail" in fields ? fields.detail : (body ?? null);
  if (answer.type === "opaqueredirect") {
    detail = "the server redirects, which the API never does: check the base URL";
  } else if (answer.status >= 300 && answer.status < 400) {
    detail = `the server is at ${answer.headers.get("location") ?? "another place"}`;
  }
  const statusCode = answer.status;
  const refusal = { statusCode, detail, method, url, requestId: answer.headers.get("x-request-id") };
  switch (statusCode) {
    case 401:
    case 403:
      return new AuthError(refusal);
    case 404:
      return new NotFoundError(refusal);
    case 409:
      return new ConflictError(refusal);
    case 422:
      return new ValidationError(refusal);
    case 429:
      return new RateLimitError(refusal, integer(fields.limit), integer(fields.active));
  }
  return statusCode >= 500 ? new ServerError(refusal) : new AodHTTPError(refusal);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text === "" ? undefined : text;
  }
}

/** isObject says whether a value has fields. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function integer(value: unknown): number | null {
  return typeof value === "number" && Number.isInteger(value) ? value : null;
}

/** A detail as one text: of a list, what is wrong with each field. */
function inWords(detail: unknown): string {
  if (detail === null || detail === undefined) return "no reason given";
  if (typeof detail === "string") return detail.length > longest ? `${detail.slice(0, longest)}…` : detail;
  if (!Array.isArray(detail) || !detail.every(isObject)) return JSON.stringify(detail);
  return detail.map(problem).join("; ");
}

const longest = 500;

function problem({ loc, msg }: Record<string, unknown>): string {
  const place = Array.isArray(loc) ? loc.join(".") : "";
  const said = typeof msg === "string" ? msg.replace(/^Value error, /, "") : "";
  return place === "" ? said : `${place}: ${said}`;
}
