-- The answers to requests that bore an Idempotency-Key, for as long as they are
-- given again. request is the SHA-256 of the body.
CREATE TABLE receipts (
	user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	path       TEXT NOT NULL,
	key        TEXT NOT NULL,
	request    BLOB NOT NULL,
	status     INTEGER NOT NULL,
	body       BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	UNIQUE (user_id, path, key)
) STRICT;
CREATE INDEX receipts_age ON receipts (created_at);
