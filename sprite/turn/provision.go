package turn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// provision makes the session's Sprite and prepares it, stage by stage. What a
// server before this one began is destroyed first: nobody knows how far it came.
func (w *worker) provision() error {
	if begun := w.brief.Session.Sprite; begun != "" {
		if err := w.Sprites.Destroy(w.ctx, begun); err != nil {
			return fmt.Errorf("destroy an unfinished sprite: %w", err)
		}
	}
	name := w.spriteName(w.session)
	if err := w.Store.AssignSprite(w.ctx, w.session, name); err != nil {
		return err
	}
	w.brief.Session.Sprite = name
	ctx, cancel := context.WithTimeoutCause(w.ctx, provisionLimit, fmt.Errorf("preparing the Sprite took longer than %v", provisionLimit))
	defer cancel()
	for _, step := range w.steps() {
		if err := w.stage(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// step is one stage of provisioning.
type step struct {
	stage   store.Stage
	blame   string // begins the text of its failure
	skipped bool
	do      func(ctx context.Context) error
}

func (w *worker) steps() []step {
	limited, hosts := networking(w.brief.Environment.Networking)
	const prepare = "Failed to prepare Sprite: "
	return []step{
		{store.StageCreateSprite, "Failed to create Sprite: ", false, w.createSprite},
		{store.StageInstallRuntime, "Failed to install runtime: ", false, w.installRuntime},
		{store.StageNetworkPolicy, prepare, !limited, func(ctx context.Context) error {
			return w.Sprites.Allow(ctx, w.brief.Session.Sprite, hosts)
		}},
		{store.StageEnvFile, prepare, false, w.writeEnvFile},
		{store.StageGitCredentials, prepare, len(w.brief.Repositories) == 0, w.writeGitCredentials},
		{store.StageProvisionSetup, "Provisioning script failed: ", false, w.setUp},
		{store.StageRuntimeConfig, "Failed to write runtime config: ", false, w.configure},
		{store.StageSkills, "Failed to write skills: ", len(w.brief.Agent.Skills) == 0, w.addSkills},
	}
}

// provisionLimit bounds all stages together: a session must not stay pending for
// ever.
const provisionLimit = time.Hour

// stage does one step and puts its beginning and its end into the session's log.
func (w *worker) stage(ctx context.Context, s step) error {
	if s.skipped {
		return nil
	}
	began := time.Now()
	if err := w.add(store.Row{Stage: s.stage, State: store.StageStarted}); err != nil {
		return err
	}
	err := s.do(ctx)
	switch {
	case w.ctx.Err() != nil:
		return context.Cause(w.ctx)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	if err == nil {
		return w.add(store.Row{Stage: s.stage, State: store.StageDone, Took: time.Since(began)})
	}
	text := s.blame + err.Error()
	if err := w.add(store.Row{Stage: s.stage, State: store.StageFailed, Took: time.Since(began), Data: text}); err != nil {
		return err
	}
	return &failure{text}
}

// add puts one row into the session's log.
func (w *worker) add(row store.Row) error {
	span, err := w.Store.AppendRows(w.ctx, w.session, w.number, store.Progress{}, row)
	if err != nil {
		return err
	}
	w.Readers.Publish(w.session, span.After, span.Frames...)
	return nil
}

func (w *worker) createSprite(ctx context.Context) error {
	if err := w.Sprites.Create(ctx, w.brief.Session.Sprite, "aod", "deployment:"+w.Store.Deployment(), "session:"+w.session); err != nil {
		return err
	}
	return w.locate(ctx)
}

func (w *worker) installRuntime(ctx context.Context) error {
	p := w.runtime.Install
	if p == nil {
		return nil
	}
	var shared error
	if w.Install != nil {
		if shared = w.Install(ctx, *p); shared == nil {
			return nil
		}
	}
	if code, err := w.Sprites.Exec(ctx, w.brief.Session.Sprite, login("command -v "+p.Binary), io.Discard, io.Discard); err != nil || code == 0 {
		return err
	}
	if shared != nil {
		return shared
	}
	return w.script(ctx, "npm install --global --no-audit --no-fund "+quote(p.Name+"@"+p.Version))
}

func (w *worker) configure(ctx context.Context) error {
	files, err := w.runtime.Config(w.agent())
	if err != nil {
		return err
	}
	return w.write(ctx, files)
}

func (w *worker) addSkills(ctx context.Context) error {
	files, commands, err := w.runtime.Skills(w.agent())
	if err != nil {
		return err
	}
	if err := w.write(ctx, files); err != nil {
		return err
	}
	for _, argv := range commands {
		if err := w.script(ctx, quoteAll(argv)); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) agent() runtimes.Agent {
	a := w.brief.Agent
	return runtimes.Agent{Model: a.Model, System: a.System, Skills: a.Skills, MCPServers: a.MCPServers, SessionID: w.brief.Session.RuntimeSessionID, Place: w.place}
}

func (w *worker) write(ctx context.Context, files []runtimes.File) error {
	for _, f := range files {
		if err := w.Sprites.WriteFile(ctx, w.brief.Session.Sprite, f.Path, f.Data, f.Mode); err != nil {
			return err
		}
	}
	return nil
}

// stderrShown is how many characters of a failed script's error output its failure
// quotes: the last ones.
const stderrShown = 2000

// script runs a short command line as a login shell would.
func (w *worker) script(ctx context.Context, line string) error {
	return w.exec(ctx, login(line))
}

// exec runs a command that has to succeed.
func (w *worker) exec(ctx context.Context, argv []string) error {
	var words tail
	code, err := w.Sprites.Exec(ctx, w.brief.Session.Sprite, argv, io.Discard, &words)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d", code)
	}
	if err != nil && words.Len() > 0 {
		err = fmt.Errorf("%w\nstderr:\n%s", err, words.String())
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct{ bytes.Buffer }

func (t *tail) Write(b []byte) (int, error) {
	n, err := t.Buffer.Write(b)
	if over := t.Len() - stderrShown*utf8.UTFMax; over > 0 {
		t.Next(over)
	}
	return n, err
}

// String is what a failure quotes.
func (t *tail) String() string {
	characters := []rune(t.Buffer.String())
	return string(characters[max(0, len(characters)-stderrShown):])
}

// networking reads what an environment says of the network: whether it is
// limited, and to which hosts. What cannot be read reaches nothing.
func networking(text json.RawMessage) (limited bool, hosts []string) {
	if len(text) == 0 {
		return false, nil // a session without an environment
	}
	fields := map[string]json.RawMessage{} // not a struct, which would take "TYPE" for "type"
	if err := json.Unmarshal(text, &fields); err != nil {
		return true, nil
	}
	if string(fields["type"]) == `"unrestricted"` {
		return false, nil
	}
	if err := json.Unmarshal(fields["allowed_hosts"], &hosts); err != nil {
		return true, nil
	}
	return true, hosts
}
