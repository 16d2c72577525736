package tests

import (
	"cmp"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// span is one span as a collector gets it.
type span struct {
	*traces.Span
	trace, id, parent string
	attributes        map[string]string
	service           string
}

// collection is a collector of traces, as OpenTelemetry's are, over HTTP with protobuf.
type collection struct {
	*httptest.Server
	mu      sync.Mutex
	spans   []span
	text    strings.Builder // of all that came
	headers []http.Header
}

func collect(t *testing.T) *collection {
	t.Helper()
	c := &collection{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("a collector is asked for %s %s of %s", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				t.Error(err)
				return
			}
		}
		text, err := io.ReadAll(body)
		var request collector.ExportTraceServiceRequest
		if err = cmp.Or(err, proto.Unmarshal(text, &request)); err != nil {
			t.Error(err)
			return
		}
		c.take(&request, r.Header)
		answer, err := proto.Marshal(&collector.ExportTraceServiceResponse{})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.Write(answer)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collection) take(request *collector.ExportTraceServiceRequest, header http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.WriteString(request.String())
	c.headers = append(c.headers, header)
	for _, r := range request.ResourceSpans {
		service := attributes(r.Resource.Attributes)["service.name"]
		for _, scope := range r.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, span{s, hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId), attributes(s.Attributes), service})
			}
		}
	}
}

func attributes(list []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range list {
		all[a.Key] = fmt.Sprint(a.Value.GetValue())
		switch v := a.Value.GetValue().(type) {
		case *common.AnyValue_StringValue:
			all[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			all[a.Key] = fmt.Sprint(v.IntValue)
		}
	}
	return all
}

// named are the spans of that name, the oldest first.
func (c *collection) named(name string) []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []span
	for _, s := range c.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b span) int { return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
	return found
}

// below are the spans of that name whose parent is s.
func (c *collection) below(s span, name string) []span {
	return slices.DeleteFunc(c.named(name), func(other span) bool { return other.parent != s.id || other.trace != s.trace })
}
