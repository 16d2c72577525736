package aod

import "encoding/json"

// EventType says what an event of a stream is.
type EventType string

// What streams send. The last four end a stream.
const (
	EventStart      EventType = "start"
	EventStage      EventType = "stage"
	EventTurnStart  EventType = "turn_start"
	EventOutput     EventType = "output"
	EventExit       EventType = "exit"
	EventError      EventType = "error"
	EventTerminated EventType = "terminated"
	EventStale      EventType = "stale"
)

// Event is one event of a session's stream. Which fields it has follows from its type.
type Event struct {
	Type EventType `json:"type"`
	ID   int64     `json:"id"` // of its row; of the row that follows a turn_start; of the last one before an end

	Runtime   string `json:"runtime"` // start
	Provider  string `json:"provider"`
	SessionID string `json:"session_id"`

	Stage      string `json:"stage"` // stage
	State      string `json:"state"` // started, done, failed
	DurationMS int64  `json:"duration_ms"`
	Cached     bool   `json:"cached"`

	Stream string `json:"stream"` // output: stdout, stderr
	Data   string `json:"data"`
	Turn   int    `json:"turn"` // output, turn_start

	Code    int    `json:"code"`    // exit
	Message string `json:"message"` // error, terminated, stale, a stage that failed

	Raw json.RawMessage `json:"-"` // the event as it was sent
}

// Ends says whether the event is the last of its stream.
func (e Event) Ends() bool {
	switch e.Type {
	case EventExit, EventError, EventTerminated, EventStale:
		return true
	}
	return false
}

// stored says whether the event is a row of the log, and not one that each connection is told anew.
func (e Event) stored() bool { return e.Type == EventStage || e.Type == EventOutput }
