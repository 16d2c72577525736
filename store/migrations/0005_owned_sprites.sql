-- The sessions that have a Sprite; the sweep looks at each of them.
CREATE INDEX sessions_sprite ON sessions (sprite) WHERE sprite <> '';
