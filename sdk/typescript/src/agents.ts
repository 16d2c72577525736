import { answered, keyed, type Api, type CallOptions, type CreateOptions } from "./api.js";
import type { Agent, AgentCreate, AgentUpdate, AgentVersion, MetadataFilter } from "./gen/api.js";
import { List, pageSize } from "./list.js";

/** Which agents are listed. */
export interface AgentFilter {
  /** Only those whose metadata has these values. */
  metadata?: MetadataFilter;
  /** How many are asked for at once. */
  limit?: number;
}

/** The calls that are about agents. */
export class Agents {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Makes an agent. */
  create(agent: AgentCreate, options: CreateOptions = {}): Promise<Agent> {
    const { signal } = options;
    return answered(this.#api.POST("/agents", { params: { header: keyed(options) }, body: agent, signal }));
  }

  /** Lists the agents that are not archived, the newest first. */
  list({ metadata, limit = pageSize, signal }: AgentFilter & CallOptions = {}): List<Agent> {
    const wanted = metadata && encodeKeys(metadata);
    return new List((cursor) =>
      answered(this.#api.GET("/agents", { params: { query: { metadata: wanted, limit, cursor } }, signal })),
    );
  }

  /** Finds an agent by its id. */
  get(agent_id: string, { signal }: CallOptions = {}): Promise<Agent> {
    return answered(this.#api.GET("/agents/{agent_id}", { params: { path: { agent_id } }, signal }));
  }

  /** Changes the version of an agent that is named, which makes the next one. */
  update(agent_id: string, change: AgentUpdate, { signal }: CallOptions = {}): Promise<Agent> {
    return answered(this.#api.PUT("/agents/{agent_id}", { params: { path: { agent_id } }, body: change, signal }));
  }

  /** Hides an agent from lists and keeps it from new sessions. */
  archive(agent_id: string, { signal }: CallOptions = {}): Promise<Agent> {
    return answered(this.#api.POST("/agents/{agent_id}/archive", { params: { path: { agent_id } }, signal }));
  }

  /** Lists an agent's versions, the newest first. */
  async versions(agent_id: string, { signal }: CallOptions = {}): Promise<AgentVersion[]> {
    const call = this.#api.GET("/agents/{agent_id}/versions", { params: { path: { agent_id } }, signal });
    return (await answered(call)).data;
  }
}

/** The same values, with keys that may stand in a query. */
function encodeKeys(values: MetadataFilter): MetadataFilter {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [encodeURIComponent(key), value]));
}
