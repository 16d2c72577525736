package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// EnvironmentSpec is what a version of an environment is made of. The maps are
// replaced, never changed in place.
type EnvironmentSpec struct {
	Name        string
	Packages    map[string][]string `gorm:"serializer:json"` // by package manager
	EnvVars     map[string]Secret   `gorm:"-"`
	SetupScript string
	Networking  json.RawMessage `gorm:"serializer:json"`
}

// Environment is the recipe for a Sprite.
type Environment struct {
	Head            `gorm:"embedded"`
	EnvironmentSpec `gorm:"embedded"`
	SealedVars      []byte
}

// EnvironmentVersion is an environment as it was.
type EnvironmentVersion struct {
	EnvironmentID   string
	Version         int
	EnvironmentSpec `gorm:"embedded"`
	SealedVars      []byte
	CreatedAt       Micros `gorm:"autoCreateTime:false"`
}

func (e *Environment) head() *Head  { return &e.Head }
func (e *Environment) noun() string { return "environment" }
func (e *Environment) spec() any    { return e.EnvironmentSpec }

func (e *Environment) versioned() []string {
	return []string{"name", "packages", "sealed_vars", "setup_script", "networking"}
}

func (e *Environment) open(keys *Keyring) (err error) {
	e.EnvVars, err = keys.openMap(e.SealedVars, varsOf(e.ID))
	return err
}

func (e *Environment) seal(keys *Keyring) (err error) {
	if e.Packages == nil {
		e.Packages = map[string][]string{} // the table takes no null
	}
	e.SealedVars, err = keys.sealMap(e.EnvVars, varsOf(e.ID))
	return err
}

func varsOf(environment string) string { return "environment " + environment }

// CreateEnvironment stores a new environment of the user's, with the receipt if
// there is one. Its name must not be that of another one that is not archived.
func (s *Store) CreateEnvironment(ctx context.Context, user string, spec EnvironmentSpec, receipt *Receipt[*Environment]) (*Environment, error) {
	env := &Environment{Head: Head{UserID: user}, EnvironmentSpec: spec}
	err := create(ctx, s, env, receipt, func(tx *gorm.DB) error { return checkName(tx, env) })
	if err != nil {
		return nil, err
	}
	return env, nil
}

// Environments returns the user's environments that are not archived, newest
// first, without their variables.
func (s *Store) Environments(ctx context.Context, user string, page Page) (*List[Environment], error) {
	return find[Environment](s, s.read(ctx).Where("archived_at IS NULL"), "environments", user, page)
}

// Environment returns the user's environment, archived or not, without its
// variables.
func (s *Store) Environment(ctx context.Context, user, id string) (*Environment, error) {
	return load[Environment](s.read(ctx), user, id)
}

// UpdateEnvironment applies change to the environment if version is its present
// one; what differs afterwards becomes the next version.
func (s *Store) UpdateEnvironment(ctx context.Context, user, id string, version int, change func(*EnvironmentSpec)) (*Environment, error) {
	return update(ctx, s, user, id, version, unchecked, func(tx *gorm.DB, env *Environment) error {
		before := env.Name
		change(&env.EnvironmentSpec)
		if env.Name == before {
			return nil
		}
		return checkName(tx, env)
	})
}

// ArchiveEnvironment hides the environment for good; sessions that use it go on.
func (s *Store) ArchiveEnvironment(ctx context.Context, user, id string) (*Environment, error) {
	return archive[Environment](ctx, s, user, id)
}

// DeleteEnvironment removes an environment that no session refers to, with its
// versions; agents that had it have none afterwards.
func (s *Store) DeleteEnvironment(ctx context.Context, user, id string) error {
	return s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		if _, err := load[Environment](tx, user, id); err != nil {
			return err
		}
		var used bool
		if err := tx.Raw("SELECT EXISTS (SELECT 1 FROM sessions WHERE environment_id = ?)", id).Scan(&used).Error; err != nil {
			return err
		}
		if used {
			return Conflict("Cannot delete environment with existing sessions")
		}
		return tx.Exec("DELETE FROM environments WHERE id = ?", id).Error
	})
}

// LivingEnvironments returns the ids of all environments that are not archived.
func (s *Store) LivingEnvironments(ctx context.Context) (map[string]bool, error) {
	var ids []string
	if err := s.read(ctx).Table("environments").Where("archived_at IS NULL").Pluck("id", &ids).Error; err != nil {
		return nil, fmt.Errorf("read environments: %w", err)
	}
	living := make(map[string]bool, len(ids))
	for _, id := range ids {
		living[id] = true
	}
	return living, nil
}

// EnvironmentVersions returns every version of the environment, the newest
// first, without their variables.
func (s *Store) EnvironmentVersions(ctx context.Context, user, id string) ([]EnvironmentVersion, error) {
	return versions[EnvironmentVersion, Environment](ctx, s, user, id)
}

func unchecked(*gorm.DB) error { return nil }

func checkName(tx *gorm.DB, env *Environment) error {
	var taken bool
	err := tx.Raw("SELECT EXISTS (SELECT 1 FROM environments WHERE user_id = ? AND name = ? AND archived_at IS NULL AND id <> ?)",
		env.UserID, env.Name, env.ID).Scan(&taken).Error
	if err != nil {
		return err
	}
	if taken {
		return Conflict("An active environment named %s already exists", quote(env.Name))
	}
	return nil
}

// quote writes a name as Python's repr does, which is what clients have seen:
// in single quotes, or in double quotes if only those save an escape.
func quote(name string) string {
	mark := "'"
	if strings.Contains(name, "'") && !strings.Contains(name, `"`) {
		mark = `"`
	}
	var b strings.Builder
	b.WriteString(mark)
	for _, r := range name {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\\' || string(r) == mark:
			b.WriteRune('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteString(mark)
	return b.String()
}
