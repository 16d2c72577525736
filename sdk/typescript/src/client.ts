import { Agents } from "./agents.js";
import { answered, apiOf, type Api, type CallOptions } from "./api.js";
import { Caller } from "./caller.js";
import { Environments } from "./environments.js";
import type { Health } from "./gen/api.js";
import { Sessions } from "./sessions.js";
import { settle, type ClientOptions } from "./settings.js";

/** Makes the calls of the API for the bearer of one token. */
export class Client {
  readonly agents: Agents;
  readonly environments: Environments;
  readonly sessions: Sessions;
  /** The calls of the API document, as they are. */
  readonly api: Api;
  /** Where the server is. */
  readonly baseUrl: string;

  constructor(options: ClientOptions = {}) {
    const caller = new Caller(settle(options));
    this.baseUrl = caller.settings.baseUrl;
    this.api = apiOf(caller);
    this.agents = new Agents(this.api);
    this.environments = new Environments(this.api);
    this.sessions = new Sessions(this.api, caller);
  }

  /** Says how the server is. */
  health({ signal }: CallOptions = {}): Promise<Health> {
    return answered(this.api.GET("/health", { signal }));
  }
}
