-- How the runtime itself names the session's conversation, where it does.
ALTER TABLE sessions ADD COLUMN conversation TEXT NOT NULL DEFAULT '';
