import { answered, keyed, type Api, type CallOptions, type CreateOptions } from "./api.js";
import type { Environment, EnvironmentCreate, EnvironmentUpdate, EnvironmentVersion } from "./gen/api.js";
import { List, pageSize } from "./list.js";

/** How environments are listed. */
export interface EnvironmentFilter {
  /** How many are asked for at once. */
  limit?: number;
}

/** The calls that are about environments. */
export class Environments {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Makes an environment. */
  create(environment: EnvironmentCreate, options: CreateOptions = {}): Promise<Environment> {
    const { signal } = options;
    return answered(this.#api.POST("/environments", { params: { header: keyed(options) }, body: environment, signal }));
  }

  /** Lists the environments that are not archived, the newest first. */
  list({ limit = pageSize, signal }: EnvironmentFilter & CallOptions = {}): List<Environment> {
    return new List((cursor) =>
      answered(this.#api.GET("/environments", { params: { query: { limit, cursor } }, signal })),
    );
  }

  /** Finds an environment by its id. */
  get(environment_id: string, { signal }: CallOptions = {}): Promise<Environment> {
    return answered(this.#api.GET("/environments/{environment_id}", { params: { path: { environment_id } }, signal }));
  }

  /** Changes the version of an environment that is named, which makes the next one. */
  update(environment_id: string, change: EnvironmentUpdate, { signal }: CallOptions = {}): Promise<Environment> {
    const params = { path: { environment_id } };
    return answered(this.#api.PUT("/environments/{environment_id}", { params, body: change, signal }));
  }

  /** Hides an environment from lists and keeps it from new agents and sessions. */
  archive(environment_id: string, { signal }: CallOptions = {}): Promise<Environment> {
    const params = { path: { environment_id } };
    return answered(this.#api.POST("/environments/{environment_id}/archive", { params, signal }));
  }

  /** Removes an environment that no session uses. */
  async delete(environment_id: string, { signal }: CallOptions = {}): Promise<void> {
    const params = { path: { environment_id } };
    await answered(this.#api.DELETE("/environments/{environment_id}/delete", { params, signal }));
  }

  /** Lists an environment's versions, the newest first. */
  async versions(environment_id: string, { signal }: CallOptions = {}): Promise<EnvironmentVersion[]> {
    const params = { path: { environment_id } };
    return (await answered(this.#api.GET("/environments/{environment_id}/versions", { params, signal }))).data;
  }
}
