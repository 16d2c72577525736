/**
 * The TypeScript client of Agent on Demand, for Node.js and browsers.
 *
 * A call that may be made again is made again when the connection breaks or the server is
 * not there for a moment; whatever creates or prompts carries an Idempotency-Key, so it is
 * done once. What the server refuses is an AodHTTPError. `sessions.follow` shows each event
 * of a session once and in order, whatever happens to the connections.
 *
 * @module
 */
export { Client } from "./client.js";
export type { ClientOptions, Fetch } from "./settings.js";
export type { Api, CallOptions, CreateOptions } from "./api.js";
export { List, type Page } from "./list.js";
export type { AgentFilter, Agents } from "./agents.js";
export type { EnvironmentFilter, Environments } from "./environments.js";
export type { RunResult, SessionFilter, Sessions, WaitOptions } from "./sessions.js";
export type { StreamHandle, StreamOptions } from "./stream.js";
export { endsSession, endsStream, type StreamEvent, type StreamEventType } from "./event.js";
export {
  AodConnectionError,
  AodError,
  AodHTTPError,
  AuthError,
  ConflictError,
  NotFoundError,
  RateLimitError,
  ServerError,
  UnexpectedAnswerError,
  ValidationError,
} from "./errors.js";
export type {
  Agent,
  AgentCreate,
  AgentUpdate,
  AgentVersion,
  Environment,
  EnvironmentCreate,
  EnvironmentUpdate,
  EnvironmentVersion,
  Event,
  GithubSkill,
  Health,
  InlineSkill,
  Isolation,
  McpServer,
  McpServerStdio,
  McpServerUrl,
  Metadata,
  MetadataFilter,
  Networking,
  OutputStream,
  Packages,
  Resource,
  ResourceCreate,
  Runtime,
  Session,
  SessionCreate,
  SessionCreated,
  SessionPrompt,
  SessionPrompted,
  SessionStatus,
  SessionTerminated,
  Skill,
  Stage,
  StageState,
  Turn,
  TurnStatus,
  ValidationErrorItem,
  Variables,
} from "./gen/api.js";
export { VERSION } from "./version.js";
