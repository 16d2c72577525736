import { Linked, orAbort, pause } from "./abort.js";
import { AodConnectionError, AodError, refused } from "./errors.js";
import { inNode, type Settings } from "./settings.js";
import { VERSION } from "./version.js";

const keyHeader = "Idempotency-Key";
const answerLimit = 256 << 20; // bytes
const longestPause = 60_000; // that a server may ask for

/** An answer that has arrived to its last byte. */
interface Answer {
  head: Response;
  text: string;
}

/** Makes calls: with the token, again where that is safe, and with refusals as errors. */
export class Caller {
  readonly settings: Settings;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** Makes a call and returns an answer of success. */
  readonly call = async (request: Request): Promise<Response> => {
    const { method, url, signal } = request;
    const headers = this.sign(request.headers);
    const body = (await request.text()) || undefined;
    if (method === "POST" && body && !headers.has(keyHeader)) headers.set(keyHeader, randomKey());
    const safe = method === "GET" || headers.has(keyHeader);
    for (let made = 0; ; made++) {
      const last = made >= this.settings.retries;
      const answer = await this.#once(url, { method, headers, body, redirect: "manual" }, signal);
      if (answer instanceof AodConnectionError) {
        if (last || !mendable(answer) || !(safe || unsent(answer))) throw answer;
        await pause(this.backoff(made), signal);
        continue;
      }
      const { head, text } = answer;
      if (head.ok) return new Response(text || null, { status: head.status, headers: head.headers });
      if (last || !this.#again(head.status, safe)) throw refused(method, url, head, text);
      await pause(asked(head) ?? this.backoff(made), signal);
    }
  };

  /** The headers of any request, and those given. */
  sign(given?: HeadersInit): Headers {
    const headers = new Headers(given);
    headers.set("Authorization", `Bearer ${this.settings.token}`);
    if (inNode) headers.set("User-Agent", `aod-typescript/${VERSION}`);
    return headers;
  }

  /** How long to wait after so many failures in a row, never exactly as long as others do. */
  backoff(failures: number): number {
    const { firstMs, lastMs } = this.settings.pauses;
    const longest = Math.min(firstMs * 2 ** Math.min(failures, 20), lastMs);
    return longest / 2 + (Math.random() * longest) / 2;
  }

  /** Makes a request once. What has failed may be tried again; an abort by the caller is thrown. */
  async #once(url: string, init: RequestInit, signal: AbortSignal): Promise<Answer | AodConnectionError> {
    const { fetch, timeoutMs } = this.settings;
    const what = `${init.method ?? "GET"} ${url}`;
    const limit = new Linked(signal);
    const late = new AodConnectionError(`${what}: no answer within ${timeoutMs} ms`);
    const timer = setTimeout(() => {
      limit.abort(late);
    }, timeoutMs);
    try {
      const head = await orAbort(fetch(url, { ...init, signal: limit.signal }), limit.signal);
      return { head, text: await orAbort(readAll(head), limit.signal) };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (limit.signal.aborted) return late;
      if (error instanceof AodError) throw error;
      return broken(what, error);
    } finally {
      clearTimeout(timer);
      limit.release();
    }
  }

  #again(status: number, safe: boolean): boolean {
    switch (status) {
      case 502:
      case 504:
        return safe;
      case 503: // nothing was done
        return true;
      case 429:
        return this.settings.waitForQuota;
    }
    return false;
  }
}

/** The text of an answer, whole. */
export async function readAll(answer: Response): Promise<string> {
  const reader = answer.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > answerLimit) {
      await reader.cancel();
      throw new AodError(`the answer is larger than ${answerLimit >> 20} MiB: ask for fewer rows with a limit`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** The error for a connection that has failed. */
export function broken(what: string, cause: unknown): AodConnectionError {
  let said: unknown = cause;
  while (said instanceof Error && said.cause instanceof Error && said.cause.message) said = said.cause;
  return new AodConnectionError(`${what}: ${said instanceof Error ? said.message : String(said)}`, { cause });
}

/** How Node.js names the reason of a failed connection; browsers tell none. */
function code(error: AodConnectionError): string {
  const { cause } = (error.cause ?? {}) as { cause?: { code?: unknown } };
  return typeof cause?.code === "string" ? cause.code : "";
}

/** Whether another try may do better: not with a bad certificate. */
function mendable(error: AodConnectionError): boolean {
  return !/CERT|SIGNATURE|_TLS_|_SSL_/.test(code(error));
}

/** Whether nothing has reached the server. */
function unsent(error: AodConnectionError): boolean {
  return ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"].includes(code(error));
}

/** How long the server asks to wait, in milliseconds. */
function asked(answer: Response): number | undefined {
  const seconds = answer.headers.get("retry-after") ?? "";
  return /^\d+$/.test(seconds) ? Math.min(Number(seconds) * 1000, longestPause) : undefined;
}

/** A key that no other call has. It is no secret, so where there is no better source, any randomness will do. */
function randomKey(): string {
  const bytes = new Uint8Array(16);
  const { crypto } = globalThis as { crypto?: Crypto };
  if (crypto) crypto.getRandomValues(bytes);
  else bytes.forEach((_, i) => (bytes[i] = Math.random() * 256));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
