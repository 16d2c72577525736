package sprite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Reach asks the service once for a page of its list, which shows that the token is good,
// and returns the time that it says it is; zero if it does not say.
func (c *Client) Reach(ctx context.Context) (time.Time, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.origin+"/v1/sprites?max_results=1", nil)
	if err != nil {
		return time.Time{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := http.DefaultClient.Do(request)
	if unreached := (*url.Error)(nil); errors.As(err, &unreached) {
		return time.Time{}, fmt.Errorf("the Sprites service at %s cannot be reached: %w", c.origin, unreached.Err)
	}
	if err != nil {
		return time.Time{}, err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxPageBytes)
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return time.Time{}, fmt.Errorf("the Sprites service at %s refuses the token: it answers %s; set SPRITES_TOKEN to another one", c.origin, answer.Status)
	default:
		return time.Time{}, fmt.Errorf("the Sprites service at %s answers %s", c.origin, answer.Status)
	}
	now, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}, nil
	}
	return now, nil
}
