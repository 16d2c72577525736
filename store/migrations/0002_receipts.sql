-- The answers to requests that bore an Idempotency-Key, for as long as they are
-- given again. What is sealed is the hash of the request and the body of the answer.
CREATE TABLE receipts (
	user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	path       TEXT NOT NULL,
	key        TEXT NOT NULL,
	status     INTEGER NOT NULL,
	sealed     BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	UNIQUE (user_id, path, key)
) STRICT;
CREATE INDEX receipts_age ON receipts (created_at);
