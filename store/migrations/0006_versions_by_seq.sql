-- Versions lie in the order in which their agents and environments were made. By the
-- random ids of those, each new one would be written to a page of its own.
CREATE TABLE agent_versions_by_seq (
	agent          INTEGER NOT NULL REFERENCES agents (seq) ON DELETE CASCADE,
	version        INTEGER NOT NULL,
	name           TEXT NOT NULL,
	description    TEXT NOT NULL,
	system         TEXT NOT NULL,
	model          TEXT NOT NULL,
	runtime        TEXT NOT NULL,
	environment_id TEXT REFERENCES environments (id) ON DELETE SET NULL,
	skills         TEXT NOT NULL,
	sealed_servers BLOB,
	metadata       TEXT NOT NULL,
	created_at     INTEGER NOT NULL,
	PRIMARY KEY (agent, version)
) STRICT, WITHOUT ROWID;
INSERT INTO agent_versions_by_seq
	SELECT agents.seq, v.version, v.name, v.description, v.system, v.model, v.runtime, v.environment_id, v.skills, v.sealed_servers, v.metadata, v.created_at
	FROM agent_versions v JOIN agents ON agents.id = v.agent_id;
DROP TABLE agent_versions;
ALTER TABLE agent_versions_by_seq RENAME TO agent_versions;
CREATE INDEX agent_versions_environment ON agent_versions (environment_id) WHERE environment_id IS NOT NULL;

CREATE TABLE environment_versions_by_seq (
	environment  INTEGER NOT NULL REFERENCES environments (seq) ON DELETE CASCADE,
	version      INTEGER NOT NULL,
	name         TEXT NOT NULL,
	packages     TEXT NOT NULL,
	sealed_vars  BLOB,
	setup_script TEXT NOT NULL,
	networking   TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	PRIMARY KEY (environment, version)
) STRICT, WITHOUT ROWID;
INSERT INTO environment_versions_by_seq
	SELECT environments.seq, v.version, v.name, v.packages, v.sealed_vars, v.setup_script, v.networking, v.created_at
	FROM environment_versions v JOIN environments ON environments.id = v.environment_id;
DROP TABLE environment_versions;
ALTER TABLE environment_versions_by_seq RENAME TO environment_versions;
