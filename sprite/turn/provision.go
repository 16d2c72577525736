package turn

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// provision makes the session's Sprite and prepares it, stage by stage. What was
// begun before, by this server or the one before it, is destroyed first: nobody
// knows how far a cut connection came.
func (w *worker) provision() error {
	ctx, cancel := context.WithTimeoutCause(w.ctx, provisionLimit, fmt.Errorf("preparing the Sprite took longer than %v", provisionLimit))
	defer cancel()
	for attempt := 1; ; attempt++ {
		failed, err := w.provisionOnce(ctx)
		switch {
		case err == nil || failed == nil:
			return err
		case errors.As(err, new(*cut)) && attempt < provisionAttempts && sleep(ctx, time.Duration(attempt)*firstRetry):
			w.log.WarnContext(w.ctx, "prepare the Sprite again", "stage", failed.stage, "error", err)
		default:
			return w.fail(failed, err)
		}
	}
}

// provisionOnce goes through the stages. An error comes with the step that failed,
// unless it is not the Sprite's.
func (w *worker) provisionOnce(ctx context.Context) (failed *step, err error) {
	if begun := w.brief.Session.Sprite; begun != "" {
		if err := w.Sprites.Destroy(ctx, begun); err != nil {
			return nil, fmt.Errorf("destroy an unfinished sprite: %w", err)
		}
	}
	name := w.spriteName(w.session)
	if err := w.Store.AssignSprite(w.ctx, w.session, name); err != nil {
		return nil, err
	}
	w.brief.Session.Sprite = name
	for _, s := range w.steps() {
		if s.skipped {
			continue
		}
		s.began, w.stage = time.Now(), s.stage
		if err := w.add(store.Row{Stage: s.stage, State: store.StageStarted}); err != nil {
			return nil, err
		}
		err := w.do(ctx, s)
		switch {
		case w.ctx.Err() != nil:
			return nil, context.Cause(w.ctx)
		case ctx.Err() != nil:
			return &s, context.Cause(ctx)
		case err != nil:
			return &s, err
		}
		saved := w.cached && s.stage == store.StageProvisionSetup
		if err := w.add(store.Row{Stage: s.stage, State: store.StageDone, Took: time.Since(s.began), Cached: saved}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// cut is the error of a command whose connection was: nobody knows how far it came.
type cut struct{ error }

func (c *cut) Unwrap() error { return c.error }

// fail puts a stage's failure into the session's log and returns it.
func (w *worker) fail(s *step, err error) error {
	text := s.blame + err.Error()
	if err := w.add(store.Row{Stage: s.stage, State: store.StageFailed, Took: time.Since(s.began), Data: text}); err != nil {
		return err
	}
	return &failure{text}
}

// step is one stage of provisioning.
type step struct {
	stage   store.Stage
	blame   string // begins the text of its failure
	skipped bool
	do      func(ctx context.Context) error
	began   time.Time
}

func (w *worker) steps() []step {
	limited, hosts := networking(w.brief.Environment.Networking)
	const prepare = "Failed to prepare Sprite: "
	return []step{
		{stage: store.StageCreateSprite, blame: "Failed to create Sprite: ", do: w.createSprite},
		{stage: store.StageInstallRuntime, blame: "Failed to install runtime: ", do: w.installRuntime},
		{stage: store.StageNetworkPolicy, blame: prepare, skipped: !limited, do: func(ctx context.Context) error {
			return w.Sprites.Allow(ctx, w.brief.Session.Sprite, hosts)
		}},
		{stage: store.StageEnvFile, blame: prepare, do: w.makeEnvFile},
		{stage: store.StageGitCredentials, blame: prepare, skipped: len(w.brief.Repositories) == 0, do: w.makeGitCredentials},
		{stage: store.StageProvisionSetup, blame: "Provisioning script failed: ", do: w.setUp},
		{stage: store.StageRuntimeConfig, blame: "Failed to write runtime config: ", do: w.configure},
		{stage: store.StageSkills, blame: "Failed to write skills: ", skipped: len(w.brief.Agent.Skills) == 0, do: w.addSkills},
	}
}

// provisionLimit bounds all stages together: a session must not stay pending for
// ever.
const provisionLimit = time.Hour

// provisionAttempts is how often a Sprite is prepared whose connection is cut
// meanwhile.
const provisionAttempts = 5

// add puts one row into the session's log.
func (w *worker) add(row store.Row) error {
	row.Data = w.masked(row.Data)
	span, err := w.Store.AppendRows(w.ctx, w.session, w.number, store.Progress{}, row)
	if err != nil {
		return err
	}
	w.Readers.Publish(w.session, span.After, span.Frames...)
	return nil
}

func (w *worker) createSprite(ctx context.Context) error {
	labels := []string{"aod", "deployment:" + w.Store.Deployment(), "session:" + w.session}
	if err := w.createFrom(ctx, labels...); err != nil {
		return err
	}
	if !w.cached {
		if err := w.Sprites.Create(ctx, w.brief.Session.Sprite, labels...); err != nil {
			// The answer to an earlier attempt may have been lost: nobody else makes Sprites of that name.
			if there, asked := w.Sprites.Exists(ctx, w.brief.Session.Sprite); asked != nil || !there {
				return err
			}
		}
	}
	if err := w.locate(ctx); err != nil {
		return &cut{err}
	}
	return nil
}

func (w *worker) installRuntime(ctx context.Context) error {
	p := w.installed()
	if p == nil {
		return nil
	}
	there := "command -v " + p.Binary
	if p.Version != w.runtime.Install.Version { // it is not enough that there is some version
		there += " && " + p.Binary + " --version | grep -qwF -e " + quote(p.Version)
	}
	if err := w.bringIn(ctx, *p, there); err != nil || p.Needs == "" {
		return err
	}
	found, err := w.holds(ctx, "command -v "+p.Needs)
	if err == nil && !found {
		err = fmt.Errorf("%s needs %s, which is not in the Sprite", p.Binary, p.Needs)
	}
	return err
}

// installed is the package of the session's runtime, in the version that the operator
// wants; nil if every Sprite has the runtime.
func (w *worker) installed() *runtimes.Package {
	if w.runtime.Install == nil {
		return nil
	}
	p := *w.runtime.Install
	p.Version = cmp.Or(w.Versions[w.runtime.Name], p.Version)
	return &p
}

// bringIn makes a runtime's program appear in the Sprite; there is a command line that
// succeeds where it is.
func (w *worker) bringIn(ctx context.Context, p runtimes.Package, there string) error {
	var shared error
	if w.Install != nil {
		if shared = w.Install(ctx, p, w.say); shared == nil {
			return nil
		}
	}
	switch found, err := w.holds(ctx, there); {
	case err != nil || found:
		return err
	case shared != nil:
		return shared
	}
	return w.script(ctx, "npm install --global --no-audit --no-fund "+quote(p.Name+"@"+p.Version))
}

// holds says whether a command line succeeds in the Sprite.
func (w *worker) holds(ctx context.Context, line string) (bool, error) {
	code, err := w.Sprites.Exec(ctx, w.brief.Session.Sprite, login(line), io.Discard, io.Discard)
	if err != nil {
		return false, &cut{err}
	}
	return code == 0, nil
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
		if err := w.script(ctx, quoteAll(argv)+" >&2"); err != nil { // what went wrong may be said on either
			return err
		}
	}
	return nil
}

func (w *worker) agent() runtimes.Agent {
	a := w.brief.Agent
	return runtimes.Agent{
		Model: a.Model, System: a.System, Skills: a.Skills, MCPServers: a.MCPServers,
		SessionID: w.brief.Session.RuntimeSessionID, Variables: w.variables(), Place: w.place,
	}
}

func (w *worker) write(ctx context.Context, files []runtimes.File) error {
	for _, f := range files {
		if err := w.Sprites.WriteFile(ctx, w.brief.Session.Sprite, f.Path, f.Data, f.Mode); err != nil {
			return err
		}
	}
	return nil
}

// script runs a short command line as a login shell would.
func (w *worker) script(ctx context.Context, line string) error {
	return w.exec(ctx, login(line))
}

// exec runs a command that has to succeed.
func (w *worker) exec(ctx context.Context, argv []string) error {
	words, doing := w.tail(), &progress{}
	stop := w.report(doing)
	code, err := w.Sprites.Exec(ctx, w.brief.Session.Sprite, argv, doing, io.MultiWriter(words, doing))
	stop()
	switch {
	case err != nil:
		err = &cut{err}
	case code != 0:
		err = fmt.Errorf("exit code %d", code)
	}
	if quoted := words.String(); err != nil && quoted != "" {
		err = fmt.Errorf("%w\nstderr:\n%s", err, quoted)
	}
	return err
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
