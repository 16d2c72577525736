package sprite

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	publicOrigin = "https://api.sprites.dev"
	pageSize     = 50 // the most that every version of the service gives
	maxPages     = 2000
	maxPageBytes = 8 << 20
)

// validName fits what a Sprite may be called: names become parts of URLs, as they are.
var validName = regexp.MustCompile(`^[a-z0-9-]+$`)

// Info is what the service says of a Sprite.
type Info struct {
	Name    string
	Status  string    // in the service's words
	Created time.Time // zero if the service does not say
}

// List returns the names of the Sprites that Look finds.
func (c *Client) List(ctx context.Context, prefix string) ([]string, error) {
	found, err := c.Look(ctx, prefix)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(found))
	for i, s := range found {
		names[i] = s.Name
	}
	return names, nil
}

// Look returns every Sprite whose name begins with prefix, in the order of their
// names. It is all of them or an error: an answer in which anything is missing or
// does not fit is an error, never an empty or a shorter list.
func (c *Client) Look(ctx context.Context, prefix string) ([]Info, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	all, err := c.allPages(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list sprites: %w", err)
	}
	slices.SortFunc(all, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

func (c *Client) allPages(ctx context.Context, prefix string) ([]Info, error) {
	var all []Info
	names, tokens := map[string]bool{}, map[string]bool{}
	token := ""
	for range maxPages {
		tokens[token] = true
		page, err := c.page(ctx, prefix, token)
		if err != nil {
			return nil, err
		}
		for _, s := range *page.Sprites {
			if !validName.MatchString(s.Name) || !strings.HasPrefix(s.Name, prefix) {
				return nil, fmt.Errorf("the service lists %.100q among the names that begin with %q", s.Name, prefix)
			}
			if names[s.Name] { // of a service that ignores the token, for instance
				return nil, fmt.Errorf("the service lists %.100q twice", s.Name)
			}
			names[s.Name] = true
			all = append(all, s.info())
		}
		if !*page.More {
			return all, nil
		}
		if page.Next == nil || tokens[*page.Next] {
			return nil, errors.New("the service has more Sprites and does not say how to go on")
		}
		token = *page.Next
	}
	return nil, fmt.Errorf("the service has more than %d pages of Sprites", maxPages)
}

// page is one answer of the service; nil is what it lacks.
type page struct {
	Sprites *[]listed `json:"sprites"`
	More    *bool     `json:"has_more"`
	Next    *string   `json:"next_continuation_token"`
}

type listed struct {
	Name    string     `json:"name"`
	Status  string     `json:"status"`
	Created *time.Time `json:"created_at"`
}

func (l listed) info() Info {
	info := Info{Name: l.Name, Status: l.Status}
	if l.Created != nil {
		info.Created = *l.Created
	}
	return info
}

// page asks by itself: the SDK takes whatever has no Sprites in it, {} for instance,
// for the empty end of the list.
func (c *Client) page(ctx context.Context, prefix, token string) (*page, error) {
	query := url.Values{"prefix": {prefix}, "max_results": {strconv.Itoa(pageSize)}}
	if token != "" {
		query.Set("continuation_token", token)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.origin+"/v1/sprites?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxPageBytes+1))
	switch {
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the service answers %s: %.200s", answer.Status, text)
	case err != nil:
		return nil, fmt.Errorf("read a page: %w", err)
	case len(text) > maxPageBytes:
		return nil, fmt.Errorf("a page has more than %d bytes", maxPageBytes)
	}
	var p page
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("read a page: %w", err)
	}
	if p.Sprites == nil || p.More == nil {
		return nil, fmt.Errorf("a page lacks sprites or has_more: %.200s", text)
	}
	return &p, nil
}
