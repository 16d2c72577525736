package aod

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	answerTimeout = time.Minute // for a whole answer, each time that a call is made
	answerLimit   = 256 << 20   // bytes
	longestPause  = time.Minute // that a server may ask for
	keyHeader     = "Idempotency-Key"
)

// caller makes calls: with the token, again where that is safe, and with refusals as errors.
type caller struct {
	client *Client
	http   *retryablehttp.Client
}

func (c *Client) caller() *caller {
	r := retryablehttp.NewClient()
	r.Logger = nil
	r.HTTPClient = &http.Client{Transport: whole{c.settings.transport}, Timeout: answerTimeout, CheckRedirect: stay}
	r.RetryMax, r.RetryWaitMin, r.RetryWaitMax = c.settings.retries, c.settings.first, c.settings.last
	r.CheckRetry, r.Backoff, r.ErrorHandler = c.again, pause, retryablehttp.PassthroughErrorHandler
	return &caller{c, r}
}

// Do makes a call.
func (c *caller) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && r.Body != nil && r.Header.Get(keyHeader) == "" {
		r.Header.Set(keyHeader, rand.Text())
	}
	safe := r.Method == http.MethodGet || r.Header.Get(keyHeader) != ""
	c.client.sign(r)
	again, err := retryablehttp.FromRequest(r.WithContext(context.WithValue(r.Context(), safely{}, safe)))
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(again)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		return nil, refusal(answer)
	}
	return answer, nil
}

// sign adds what every request has.
func (c *Client) sign(r *http.Request) {
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("User-Agent", c.settings.agent)
}

// safely marks calls that may be made again although they may have been answered.
type safely struct{}

// again says whether a call is to be made once more.
func (c *Client) again(ctx context.Context, answer *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	safe, _ := ctx.Value(safely{}).(bool)
	if err != nil {
		var broken *net.OpError
		unsent := errors.As(err, &broken) && broken.Op == "dial"
		retry, _ := retryablehttp.DefaultRetryPolicy(ctx, nil, err) // not for what no retry mends, as a bad certificate
		return retry && (safe || unsent), nil
	}
	switch answer.StatusCode {
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return safe, nil
	case http.StatusServiceUnavailable: // nothing was done
		return true, nil
	case http.StatusTooManyRequests:
		return c.settings.queue, nil
	}
	return false, nil
}

// pause is how long to wait: what the server asks for, else twice as long each time.
func pause(first, last time.Duration, made int, answer *http.Response) time.Duration {
	if answer != nil {
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds >= 0 {
			return min(time.Duration(seconds)*time.Second, longestPause)
		}
	}
	return retryablehttp.DefaultBackoff(first, last, made, nil)
}

// stay follows no redirect: the API makes none, and one that a proxy makes would lose the body.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// whole is a transport whose answers have arrived to their last byte, so that one that was
// cut is an error of the call and not of its reader.
type whole struct{ http.RoundTripper }

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := w.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > answerLimit {
		return nil, fmt.Errorf("the answer is larger than %d MiB: ask for fewer rows with a limit", answerLimit>>20)
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}
