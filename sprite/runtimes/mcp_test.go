package runtimes

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestMCPServersAreReadByTheirExactKeys(t *testing.T) {
	t.Parallel()
	got, err := mcpServers(Agent{MCPServers: []json.RawMessage{[]byte(`{"name":"a","NAME":5,"url":"u","Url":null,"headers":{"A":"1"},"type":"url"}`), []byte(`{"name":"b","type":"stdio","command":"c","args":["x"],"ARGS":1,"env":{"K":"v"}}`)}})
	want := []mcpServer{
		{Name: "a", Type: "url", URL: "u", Headers: map[string]string{"A": "1"}},
		{Name: "b", Type: "stdio", Command: "c", Args: []string{"x"}, Env: map[string]string{"K": "v"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v %v", got, err)
	}
}
