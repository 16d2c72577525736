-- Times are microseconds since 1970 (UTC). seq is the order of insertion; clients
-- only ever see id. Blobs named sealed hold what keyring.go has encrypted.

CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
	id           TEXT PRIMARY KEY,
	name         TEXT NOT NULL UNIQUE,
	max_sessions INTEGER,
	created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	id           TEXT NOT NULL UNIQUE,
	user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name         TEXT NOT NULL,
	hash         TEXT NOT NULL UNIQUE,
	prefix       TEXT NOT NULL,
	active       INTEGER NOT NULL DEFAULT 1,
	created_at   INTEGER NOT NULL,
	expires_at   INTEGER,
	last_used_at INTEGER
) STRICT;

CREATE TABLE environments (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	id           TEXT NOT NULL UNIQUE,
	user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name         TEXT NOT NULL,
	packages     TEXT NOT NULL,
	sealed_vars  BLOB,
	setup_script TEXT NOT NULL,
	networking   TEXT NOT NULL,
	version      INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	archived_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX environments_active_name ON environments (user_id, name) WHERE archived_at IS NULL;
CREATE INDEX environments_listed ON environments (user_id, created_at DESC, seq DESC) WHERE archived_at IS NULL;

CREATE TABLE environment_versions (
	environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
	version        INTEGER NOT NULL,
	name           TEXT NOT NULL,
	packages       TEXT NOT NULL,
	sealed_vars    BLOB,
	setup_script   TEXT NOT NULL,
	networking     TEXT NOT NULL,
	created_at     INTEGER NOT NULL,
	PRIMARY KEY (environment_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
	seq            INTEGER PRIMARY KEY AUTOINCREMENT,
	id             TEXT NOT NULL UNIQUE,
	user_id        TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name           TEXT NOT NULL,
	description    TEXT NOT NULL,
	system         TEXT NOT NULL,
	model          TEXT NOT NULL,
	runtime        TEXT NOT NULL,
	environment_id TEXT REFERENCES environments (id) ON DELETE SET NULL,
	skills         TEXT NOT NULL,
	mcp_servers    TEXT NOT NULL,
	metadata       TEXT NOT NULL,
	version        INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL,
	archived_at    INTEGER
) STRICT;
CREATE INDEX agents_listed ON agents (user_id, created_at DESC, seq DESC) WHERE archived_at IS NULL;
CREATE INDEX agents_environment ON agents (environment_id) WHERE environment_id IS NOT NULL;

CREATE TABLE agent_versions (
	agent_id       TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
	version        INTEGER NOT NULL,
	name           TEXT NOT NULL,
	description    TEXT NOT NULL,
	system         TEXT NOT NULL,
	model          TEXT NOT NULL,
	runtime        TEXT NOT NULL,
	environment_id TEXT REFERENCES environments (id) ON DELETE SET NULL,
	skills         TEXT NOT NULL,
	mcp_servers    TEXT NOT NULL,
	metadata       TEXT NOT NULL,
	created_at     INTEGER NOT NULL,
	PRIMARY KEY (agent_id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_versions_environment ON agent_versions (environment_id) WHERE environment_id IS NOT NULL;

-- A session runs the version of its agent and of its environment that it was
-- created with: (agent_id, agent_version) and (environment_id, environment_version)
-- name those snapshots.
CREATE TABLE sessions (
	seq                 INTEGER PRIMARY KEY AUTOINCREMENT,
	id                  TEXT NOT NULL UNIQUE,
	user_id             TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	agent_id            TEXT REFERENCES agents (id) ON DELETE SET NULL,
	agent_version       INTEGER NOT NULL,
	environment_id      TEXT REFERENCES environments (id),
	environment_version INTEGER NOT NULL,
	runtime             TEXT NOT NULL,
	model               TEXT NOT NULL,
	status              TEXT NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed', 'terminated')),
	exit_code           INTEGER,
	resources           TEXT NOT NULL,
	runtime_session_id  TEXT NOT NULL,
	sprite              TEXT NOT NULL DEFAULT '',
	turn_count          INTEGER NOT NULL,
	last_row            INTEGER NOT NULL DEFAULT 0,
	created_at          INTEGER NOT NULL,
	updated_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_listed ON sessions (user_id, created_at DESC, seq DESC);
CREATE INDEX sessions_active ON sessions (user_id) WHERE status IN ('pending', 'running');
CREATE INDEX sessions_agent ON sessions (agent_id);
CREATE INDEX sessions_environment ON sessions (environment_id);

CREATE TABLE session_secrets (
	session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	kind       TEXT NOT NULL CHECK (kind IN ('variable', 'repository')),
	name       TEXT NOT NULL,
	sealed     BLOB NOT NULL,
	PRIMARY KEY (session_id, kind, name)
) STRICT, WITHOUT ROWID;

-- The offsets say how much of the turn's two output streams the rows hold; they
-- move in the transaction that inserts the rows.
CREATE TABLE turns (
	session_id    TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	number        INTEGER NOT NULL,
	prompt        TEXT NOT NULL,
	timeout       INTEGER NOT NULL,
	status        TEXT NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed')),
	exit_code     INTEGER,
	stdout_offset INTEGER NOT NULL DEFAULT 0,
	stderr_offset INTEGER NOT NULL DEFAULT 0,
	created_at    INTEGER NOT NULL,
	started_at    INTEGER,
	ended_at      INTEGER,
	PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX turns_unfinished ON turns (session_id, number) WHERE status IN ('pending', 'running');

-- frame holds the row as the stream sends it. turn is 0 for rows without a turn.
CREATE TABLE rows (
	session INTEGER NOT NULL REFERENCES sessions (seq) ON DELETE CASCADE,
	id      INTEGER NOT NULL,
	turn    INTEGER NOT NULL,
	frame   BLOB NOT NULL,
	PRIMARY KEY (session, id)
) STRICT, WITHOUT ROWID;

-- Sprites that no session owns any more and that are still to be destroyed.
CREATE TABLE doomed_sprites (
	name  TEXT PRIMARY KEY,
	since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
