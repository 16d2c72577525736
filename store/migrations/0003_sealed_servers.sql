-- MCP servers have headers and variables, which may be secrets. What mcp_servers
-- holds is sealed by seal.go before the column is dropped.
ALTER TABLE agents ADD COLUMN sealed_servers BLOB;
ALTER TABLE agent_versions ADD COLUMN sealed_servers BLOB;
