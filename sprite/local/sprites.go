package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

const (
	organization = "local"
	maxPage      = 500
	maxBody      = 1 << 20
	maxLabels    = 64
	maxLabel     = 256
)

// sprite is the wire form of a record.
type sprite struct {
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	Organization string      `json:"organization"`
	Status       string      `json:"status"`
	Labels       []string    `json:"labels"`
	URL          string      `json:"url"`
	URLSettings  urlSettings `json:"url_settings"`
	Created      time.Time   `json:"created_at"`
	Updated      time.Time   `json:"updated_at"`
}

type urlSettings struct {
	Auth string `json:"auth"`
}

type spriteRequest struct {
	Name        string   `json:"name"`
	Labels      []string `json:"labels"`
	ClearLabels bool     `json:"clear_labels"`
}

func (h *Host) createSprite(w http.ResponseWriter, r *http.Request) error {
	var q spriteRequest
	if err := decode(r, &q); err != nil {
		return err
	}
	if !validName.MatchString(q.Name) {
		return badRequest("a sprite's name has 1 to 63 characters out of a-z, 0-9 and -")
	}
	if err := checkLabels(q.Labels); err != nil {
		return err
	}
	rec, err := h.create(r.Context(), q.Name, q.Labels)
	if err != nil {
		return fmt.Errorf("create sprite: %w", err)
	}
	return h.answerSprite(w, http.StatusCreated, rec)
}

func (h *Host) getSprite(w http.ResponseWriter, r *http.Request) error {
	rec, err := h.load(r.PathValue("name"))
	if err != nil {
		return err
	}
	return h.answerSprite(w, http.StatusOK, rec)
}

// listSprites pages by name: the continuation token is the last name that the client has.
func (h *Host) listSprites(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("max_results"))
	if err != nil || limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	all, err := h.all()
	if err != nil {
		return err
	}
	warm, err := h.countWarm(all)
	if err != nil {
		return err
	}
	page, more := []sprite{}, false
	for _, rec := range all {
		if rec.Name <= q.Get("continuation_token") || !strings.HasPrefix(rec.Name, q.Get("prefix")) {
			continue
		}
		if more = len(page) == limit; more {
			break
		}
		s, err := h.sprite(rec)
		if err != nil {
			return err
		}
		page = append(page, s)
	}
	var next *string
	if more {
		next = &page[len(page)-1].Name
	}
	// Documents disagree on where the organization stands.
	org := map[string]any{"name": organization, "running": 0, "warm": warm, "cold": len(all) - warm}
	out := map[string]any{"sprites": page, "has_more": more, "next_continuation_token": next, "org": org}
	maps.Copy(out, org)
	answer(w, http.StatusOK, out)
	return nil
}

// countWarm counts the Sprites that a shim serves. Whether something runs in them only the shims know, which would stay warm by the question.
func (h *Host) countWarm(all []record) (n int, err error) {
	for _, rec := range all {
		warm, err := shim.Running(h.dir(rec.Name))
		if err != nil {
			return 0, err
		}
		if warm {
			n++
		}
	}
	return n, nil
}

func (h *Host) updateSprite(w http.ResponseWriter, r *http.Request) error {
	var q spriteRequest
	if err := decode(r, &q); err != nil {
		return err
	}
	release := h.gates.own(r.PathValue("name"))
	defer release()
	rec, err := h.load(r.PathValue("name"))
	if err != nil {
		return err
	}
	if err := checkLabels(q.Labels); err != nil {
		return err
	}
	if q.Labels != nil || q.ClearLabels {
		rec.Labels = q.Labels
		rec.Updated = time.Now().UTC()
		if err := h.save(rec); err != nil {
			return err
		}
	}
	return h.answerSprite(w, http.StatusOK, rec)
}

// upgradeSprite ends what runs in a Sprite that another version of the host has started; its next start is by this one. A Sprite of this
// version goes on.
func (h *Host) upgradeSprite(w http.ResponseWriter, r *http.Request) error {
	release := h.gates.own(r.PathValue("name"))
	defer release()
	rec, err := h.load(r.PathValue("name"))
	if err != nil {
		return err
	}
	var refusal *shim.Refusal
	_, err = shim.Sessions(r.Context(), h.dir(rec.Name))
	if errors.As(err, &refusal) && refusal.Kind == shim.OtherVersion {
		ctx, cancel := context.WithTimeoutCause(r.Context(), stopTime, errors.New("its processes do not end"))
		defer cancel()
		let, err := shim.Stop(ctx, h.dir(rec.Name))
		if err != nil {
			return fmt.Errorf("upgrade sprite: %w", err)
		}
		if err := let(); err != nil {
			return fmt.Errorf("upgrade sprite: %w", err)
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Host) deleteSprite(w http.ResponseWriter, r *http.Request) error {
	if err := h.destroy(r.Context(), r.PathValue("name")); err != nil {
		return fmt.Errorf("destroy sprite: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkLabels bounds what clients may note on a Sprite.
func checkLabels(labels []string) error {
	if len(labels) > maxLabels {
		return badRequest(fmt.Sprintf("a sprite has up to %d labels", maxLabels))
	}
	for _, l := range labels {
		if l == "" || len(l) > maxLabel || !utf8.ValidString(l) || strings.ContainsFunc(l, unicode.IsControl) {
			return badRequest(fmt.Sprintf("a label has 1 to %d bytes without control characters", maxLabel))
		}
	}
	return nil
}

func (h *Host) answerSprite(w http.ResponseWriter, status int, rec record) error {
	s, err := h.sprite(rec)
	if err != nil {
		return err
	}
	answer(w, status, s)
	return nil
}

func (h *Host) sprite(rec record) (sprite, error) {
	warm, err := shim.Running(h.dir(rec.Name))
	if err != nil {
		return sprite{}, err
	}
	s := sprite{
		ID: rec.ID, Name: rec.Name, Organization: organization, Status: "cold", Labels: rec.Labels,
		URL: "http://localhost/sprites/" + rec.Name, URLSettings: urlSettings{Auth: "sprite"}, Created: rec.Created, Updated: rec.Updated,
	}
	if s.Labels == nil {
		s.Labels = []string{}
	}
	if warm {
		s.Status = "warm"
	}
	return s, nil
}

// decode reads a JSON object; an empty body is an empty object.
func decode(r *http.Request, v any) error {
	return decoded(json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody)), v)
}

// decodeStrict refuses fields that are not known.
func decodeStrict(r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	d.DisallowUnknownFields()
	return decoded(d, v)
}

func decoded(d *json.Decoder, v any) error {
	err := d.Decode(v)
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return &apiError{http.StatusRequestEntityTooLarge, "too_large", "the body may have up to 1 MiB"}
	}
	return badRequest("the body must be a JSON object: " + err.Error())
}
