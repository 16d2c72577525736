package server

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

const maxResources = 10

var repositoryURL = regexp.MustCompile(`\Ahttps://github\.com/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+\z`)

// resources checks the repositories of a session, each entry for itself and then
// all together.
func resources(body map[string]any, sound func(...any) bool) []problem {
	const field = "resources"
	entries, ok := body[field].([]any)
	if !ok {
		return nil
	}
	var found []problem
	for i, entry := range entries {
		object, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		if u, ok := object["url"].(string); ok && sound(field, i, "url") && !repository(u) {
			found = append(found, ruled(u, "Must be a valid https://github.com/<owner>/<repo> URL", field, i, "url"))
		}
		if mount, ok := object["mount_path"].(string); ok && sound(field, i, "mount_path") {
			if msg := mountProblem(mount); msg != "" {
				found = append(found, ruled(mount, msg, field, i, "mount_path"))
			}
		}
	}
	if len(found) > 0 || !sound(field) {
		return found
	}
	if len(entries) > maxResources {
		return []problem{ruled(entries, fmt.Sprintf("Maximum %d resources per session", maxResources), field)}
	}
	seen := map[string]bool{}
	for _, entry := range entries {
		object := entry.(map[string]any)
		mount, _ := object["mount_path"].(string)
		mount = mountPath(object["url"].(string), mount)
		if seen[mount] {
			return []problem{ruled(entries, "Duplicate mount_path in resources", field)}
		}
		seen[mount] = true
	}
	return nil
}

// repository reports whether u is the URL of a repository on GitHub.
func repository(u string) bool {
	u = canonicalURL(u)
	name := path.Base(u)
	return repositoryURL.MatchString(u) && name != "." && name != ".."
}

func mountProblem(mount string) string {
	switch {
	case !strings.HasPrefix(mount, "/"):
		return "mount_path must be an absolute path"
	case path.Clean(mount) == "/" || path.Clean(mount) == "/home/sprite":
		return "mount_path must not be the Sprite root"
	case slices.Contains(strings.Split(mount, "/"), ".."):
		return "mount_path must not contain '..'"
	}
	return ""
}

// canonicalURL is a repository's URL as it is stored and returned.
func canonicalURL(u string) string { return strings.TrimSuffix(u, ".git") }

// mountPath is where a repository is cloned to if the request does not say.
func mountPath(url, mount string) string {
	if mount != "" {
		return mount
	}
	return "/workspace/" + path.Base(canonicalURL(url))
}
