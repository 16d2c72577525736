// What a caller of the generated code writes.
import { createAgent, streamSession } from "./client";
import type { Agent, Event } from "./client";

export async function hello(name: string): Promise<string> {
  const made = await createAgent({ body: { name, runtime: "claude", model: "claude-sonnet-4-6" } });
  const agent: Agent | undefined = made.data;
  return agent?.id ?? "";
}

export function told(event: Event): string {
  return event.type === "output" ? event.data : event.type;
}

export const stream = streamSession;
