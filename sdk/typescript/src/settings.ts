import { AodError } from "./errors.js";

/** Makes a request, as the global `fetch` does. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How a Client is made. */
export interface ClientOptions {
  /** Where the server is; else `AOD_API_URL` (in Node.js), else `http://localhost:8777`. */
  baseUrl?: string;
  /** The API token; else `AOD_API_TOKEN` (in Node.js). */
  token?: string;
  /** Makes the requests; else the global `fetch`. */
  fetch?: Fetch;
  /** How long each call may take whenever it is made; 30 seconds without it. */
  timeoutMs?: number;
  /** How often a call is made again that may be; 3 without it. */
  retries?: number;
  /** How often in a row `follow` comes back without being shown anything new; 10 without it. */
  reconnects?: number;
  /** Between what bounds pauses before another try double; 250 ms and 10 s without it. */
  pauses?: { firstMs: number; lastMs: number };
  /** Whether `sessions.create` tries again while the user has as many active sessions as allowed. */
  waitForQuota?: boolean;
}

/** What a Client goes by. */
export type Settings = Required<ClientOptions>;

/** What the options come to, with the defaults of this place. */
export function settle(options: ClientOptions): Settings {
  return {
    baseUrl: base(options.baseUrl || variable("AOD_API_URL") || "http://localhost:8777"),
    token: bearer(options.token || variable("AOD_API_TOKEN") || ""),
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    timeoutMs: options.timeoutMs ?? 30_000,
    retries: options.retries ?? 3,
    reconnects: options.reconnects ?? 10,
    pauses: options.pauses ?? { firstMs: 250, lastMs: 10_000 },
    waitForQuota: options.waitForQuota ?? false,
  };
}

function base(text: string): string {
  const url = parsed(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new AodError("the API's URL is not of the form https://host"); // not repeated: it may hold a password
  }
  return url.href.replace(/\/+$/, "");
}

function parsed(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function bearer(text: string): string {
  const token = text.trim();
  if (token === "") throw new AodError("no API token: pass token, or set AOD_API_TOKEN");
  if (!/^[!-~]+$/.test(token)) throw new AodError("the API token has characters that no token has");
  return token;
}

/** What a program has of Node.js, if it runs there. */
const { process } = globalThis as {
  process?: { env?: Record<string, string | undefined>; versions?: { node?: string } };
};

/** Whether this is Node.js, which may name itself. A browser does that on its own. */
export const inNode = process?.versions?.node !== undefined;

function variable(name: string): string | undefined {
  return process?.env?.[name];
}
