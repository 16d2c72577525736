package aod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/agent-on-demand/aod/gen"
)

const (
	eventLimit = 1 << 20          // bytes of one event; a row has 16 KiB at most
	silence    = 60 * time.Second // after which a connection is dead: a server says something every 15 seconds
)

var (
	errSilent = errors.New("nothing was heard for a minute")
	errCut    = errors.New("the connection ended before the session did")
)

// Stream yields the events of a session from one connection: the rows after since, first
// those that are stored, then as they come. It ends with an event that Ends, or with an error.
func (s *Sessions) Stream(ctx context.Context, id string, since int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		answer, err := s.connect(ctx, cancel, id, since)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer answer.Body.Close()
		for frame, err := range sse.Read(watch(answer.Body, cancel), &sse.ReadConfig{MaxEventSize: eventLimit}) {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			var event Event
			if err == nil {
				if frame.Data == "" {
					continue // cut before its data
				}
				event, err = parse(frame.Data)
			}
			if err != nil {
				yield(Event{}, fmt.Errorf("stream session %s: %w", id, err))
				return
			}
			if !yield(event, nil) || event.Ends() {
				return
			}
		}
		yield(Event{}, fmt.Errorf("stream session %s: %w", id, errCut))
	}
}

// connect opens a stream.
func (s *Sessions) connect(ctx context.Context, cancel context.CancelCauseFunc, id string, since int64) (*http.Response, error) {
	r, err := gen.NewStreamSessionRequest(s.c.base, id, nil)
	if err != nil {
		return nil, err
	}
	r = r.WithContext(ctx)
	s.c.sign(r)
	r.Header.Set("Accept", "text/event-stream")
	if since > 0 {
		r.Header.Set("Last-Event-ID", strconv.FormatInt(since, 10))
	}
	defer time.AfterFunc(silence, func() { cancel(errSilent) }).Stop()
	answer, err := s.c.streams.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, refusal(answer)
	}
	return answer, nil
}

func parse(data string) (Event, error) {
	var event Event
	if err := json.Unmarshal([]byte(data), &event); err != nil {
		return Event{}, fmt.Errorf("an event is no JSON: %w", err)
	}
	event.Raw = json.RawMessage(data)
	return event, nil
}

// watched is a body whose silence ends its connection. The time that its reader takes does not count.
type watched struct {
	io.Reader
	timer *time.Timer
}

func watch(body io.Reader, cancel context.CancelCauseFunc) watched {
	timer := time.AfterFunc(silence, func() { cancel(errSilent) })
	return watched{body, timer}
}

func (w watched) Read(p []byte) (int, error) {
	w.timer.Reset(silence)
	defer w.timer.Stop()
	return w.Reader.Read(p)
}
