// What a page does with the SDK: it shows what came of it, as JSON, and has then a title.
import { AodHTTPError, Client, type StreamEvent } from "@agent-on-demand/sdk";

const { url: baseUrl = "", token = "" } = document.body.dataset;
const client = new Client({ baseUrl, token, reconnects: 50, pauses: { firstMs: 1, lastMs: 5 } });

async function all(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const come: StreamEvent[] = [];
  for await (const event of events) come.push(event);
  return come;
}

function stdout(events: StreamEvent[]): string {
  return events.map((event) => (event.type === "output" && event.extra.stream === "stdout" ? event.extra.data : "")).join("");
}

async function work() {
  const agent = await client.agents.create({ name: "browser", runtime: "shell" });
  const prompt = "for i in $(seq 100); do echo line $i; sleep 0.02; done; echo kept > note";
  const { id } = await client.sessions.create({ agent_id: agent.id, prompt, timeout: 120 });
  const followed = await all(client.sessions.follow(id));
  const streamed = await all(await client.sessions.stream(id));

  await client.sessions.prompt(id, { prompt: "cat note; exec sleep 600" });
  const since = followed.at(-1)?.id ?? 0;
  const live = await client.sessions.stream(id, { since });
  let later = "";
  for await (const event of live) {
    later += stdout([event]);
    if (later.endsWith("\n")) live.close();
  }
  await client.sessions.terminate(id);
  const refusal: unknown = await client.agents.get("00000000-0000-4000-8000-000000000000").catch((error: unknown) => error);
  const [refused, requestId] = refusal instanceof AodHTTPError ? [refusal.name, refusal.requestId] : [];
  return { followed, streamed, stdout: stdout(followed), later, refused, requestId };
}

void work()
  .catch((error: unknown) => ({ failed: String(error) }))
  .then((result) => {
    document.body.textContent = JSON.stringify(result);
    document.title = "done";
  });
