-- A turn that runs while the server is away. Those that were running before could not.
ALTER TABLE turns ADD COLUMN launched INTEGER NOT NULL DEFAULT 0;
UPDATE turns SET launched = 1 WHERE status <> 'pending';
