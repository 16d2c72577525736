# An MCP server on stdin and stdout with the one tool stub_echo.
import json, os, sys

TOOL = {"name": "stub_echo", "description": "Echo a text.", "inputSchema": {
    "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}


def answer(method, params):
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "stub", "version": "1"}}
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        text = params["arguments"]["text"]
        if "STUB_MCP_CALLS" in os.environ:
            with open(os.environ["STUB_MCP_CALLS"], "a") as calls:
                calls.write(json.dumps({"text": text, "env": dict(os.environ)}) + "\n")
        return {"content": [{"type": "text", "text": "echo: " + text}]}
    return {}


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        result = answer(request["method"], request.get("params") or {})
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
