package sprite

import (
	"errors"
	"net/http"

	sprites "github.com/superfly/sprites-go"
)

// Refused reports whether err is an answer of the service that the same call would get
// again: a 4xx, but for those that say later (RFC 9110 section 15.5.9, RFC 8470
// section 5.2, RFC 6585 section 4).
func (c *Client) Refused(err error) bool {
	var answer *sprites.APIError
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return answer.StatusCode >= 400 && answer.StatusCode < 500
}
