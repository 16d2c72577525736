// What a caller of the generated code writes.
import type { components, paths } from "./types";
import { createAgent, streamSession } from "./client";
import type { Agent, Event } from "./client";

type Listed = paths["/agents"]["get"]["responses"][200]["content"]["application/json"]["data"][number];
const runtime: components["schemas"]["Runtime"] = "claude";

export async function hello(listed: Listed): Promise<string> {
  const made = await createAgent({ body: { name: listed.name, runtime, model: "claude-sonnet-4-6" } });
  const agent: Agent | undefined = made.data;
  return agent?.id ?? "";
}

export function told(event: Event): string {
  return event.type === "output" ? event.data : event.type;
}

export const stream = streamSession;
