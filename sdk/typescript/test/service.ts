import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

import { Client, type ClientOptions } from "@agent-on-demand/sdk";

export const token = "aod_token_of_the_tests";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server whose answers are a test's, one after the other; the last one stays. */
export interface Service {
  url: string;
  /** Method, path and idempotency key of each call. */
  calls: string[];
  requests: IncomingMessage[];
  client: (options?: ClientOptions) => Client;
}

export async function serve(...answers: Handler[]): Promise<Service> {
  const calls: string[] = [];
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    const answer = answers[Math.min(calls.length, answers.length - 1)];
    calls.push([request.method, request.url, request.headers["idempotency-key"]].join(" "));
    requests.push(request);
    request.resume().on("end", () => answer?.(request, response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const pauses = { firstMs: 1, lastMs: 2 };
  return { url, calls, requests, client: (options) => new Client({ baseUrl: url, token, pauses, ...options }) };
}

/** A URL where nobody listens. */
export async function vacant(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}

/** Answers with a status and a body. */
export function answer(status: number, body = "", headers: Record<string, string> = {}): Handler {
  return (_, response) => response.writeHead(status, headers).end(body);
}

/** Breaks the connection before an answer. */
export const dropped: Handler = (request) => request.socket.destroy();

/** Breaks the connection in the middle of an answer. */
export const cut: Handler = (request, response) => {
  response.writeHead(200, { "Content-Length": "1000" });
  response.write('{"id":', () => request.socket.destroy());
};

export const gateway = answer(502, "<html>bad gateway</html>");
export const away = answer(503, '{"detail":"not now"}', { "Retry-After": "0" });

/** Answers with server-sent events, and ends the connection after them. */
export function frames(text: string): Handler {
  return answer(200, text, { "Content-Type": "text/event-stream" });
}

export const start = 'data: {"type":"start","runtime":"shell","provider":"local","session_id":"s"}\n\n';

export function turn(id: number, n: number): string {
  return `data: {"type":"turn_start","id":${id},"turn":${n}}\n\n`;
}

export function row(id: number, n: number): string {
  return `id: ${id}\ndata: {"type":"output","id":${id},"stream":"stdout","data":"<${id}>","turn":${n}}\n\n`;
}

export function exit(id: number, code: number): string {
  return `id: ${id}\ndata: {"type":"exit","id":${id},"code":${code}}\n\n`;
}
