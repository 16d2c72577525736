-- How many sessions there are of each status: counting them would mean to read them all.
CREATE TABLE session_counts (
	status TEXT PRIMARY KEY,
	n      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO session_counts (status, n) VALUES ('pending', 0), ('running', 0), ('completed', 0), ('failed', 0), ('terminated', 0);
UPDATE session_counts SET n = (SELECT count(*) FROM sessions WHERE sessions.status = session_counts.status);

CREATE TRIGGER sessions_counted_in AFTER INSERT ON sessions BEGIN
	UPDATE session_counts SET n = n + 1 WHERE status = NEW.status;
END;
CREATE TRIGGER sessions_counted_out AFTER DELETE ON sessions BEGIN
	UPDATE session_counts SET n = n - 1 WHERE status = OLD.status;
END;
CREATE TRIGGER sessions_counted_over AFTER UPDATE OF status ON sessions WHEN OLD.status <> NEW.status BEGIN
	UPDATE session_counts SET n = n + CASE status WHEN NEW.status THEN 1 ELSE -1 END WHERE status IN (OLD.status, NEW.status);
END;
