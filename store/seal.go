package store

import (
	"context"
	"database/sql"
	"fmt"
)

// sealServers encrypts the MCP servers that older versions have stored as they
// were given, and leaves nothing of them in the file.
func sealServers(ctx context.Context, tx *sql.Tx, keys *Keyring) error {
	if _, err := tx.ExecContext(ctx, "PRAGMA secure_delete = ON"); err != nil {
		return err
	}
	for _, t := range []struct{ table, id string }{{"agents", "id"}, {"agent_versions", "agent_id"}} {
		servers, err := plainServers(ctx, tx, t.table, t.id)
		if err != nil {
			return err
		}
		for _, s := range servers {
			sealed := keys.seal([]byte(s.text), serversOf(s.agent))
			_, err := tx.ExecContext(ctx, "UPDATE "+t.table+" SET sealed_servers = ? WHERE "+t.id+" = ? AND version = ?", sealed, s.agent, s.version)
			if err != nil {
				return fmt.Errorf("seal %s: %w", t.table, err)
			}
		}
		if _, err := tx.ExecContext(ctx, "ALTER TABLE "+t.table+" DROP COLUMN mcp_servers"); err != nil {
			return fmt.Errorf("drop column of %s: %w", t.table, err)
		}
	}
	return nil
}

type plainServer struct {
	agent   string
	version int
	text    string
}

func plainServers(ctx context.Context, tx *sql.Tx, table, id string) (found []plainServer, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+id+", version, mcp_servers FROM "+table+" WHERE mcp_servers <> '[]'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s plainServer
		if err := rows.Scan(&s.agent, &s.version, &s.text); err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, rows.Err()
}
