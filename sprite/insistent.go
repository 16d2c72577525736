package sprite

import (
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	attempts      = 5 // at a call, after the first
	firstPause    = 100 * time.Millisecond
	lastPause     = 3 * time.Second
	answerTimeout = 30 * time.Second // until a service that has been asked begins to answer
)

// insistent is a transport that asks again when a connection breaks, or when the service fails or is too busy. Every call that is made with
// it may be made twice: a Sprite that is made twice is one Sprite, since its name is its own.
func insistent(transport http.RoundTripper) http.RoundTripper {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: transport}
	c.Logger = nil
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = attempts, firstPause, lastPause
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler // the last answer says what is wrong
	return &retryablehttp.RoundTripper{Client: c}
}

// pause waits before a call is made again that was so many times, and reports whether
// it shall be.
func pause(ctx context.Context, made int) bool {
	timer := time.NewTimer(retryablehttp.DefaultBackoff(firstPause, lastPause, made, nil))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
