package tests

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server"
)

// github is a server of git repositories for Sprites that take it for github.com: real git over real TLS, whose certificate an npm
// package makes git trust.
type github struct {
	repositories *httptest.Server
	certificate  *httptest.Server // answers with that npm package
	root         string
	tokens       map[string]string // that may read a repository, by its path; anybody may read others
}

func newGithub(t *testing.T, tokens map[string]string) *github {
	t.Helper()
	execPath, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	g := &github{root: t.TempDir(), tokens: tokens}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"), Root: "/",
		Env: []string{"GIT_PROJECT_ROOT=" + g.root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	g.repositories = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, ".git/", "/", 1) // either names the repository
		if g.mayRead(r) {
			backend.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "Repository not found.", http.StatusUnauthorized)
	}))
	key, authority := certificate(t, "github.com")
	g.repositories.TLS = &tls.Config{Certificates: []tls.Certificate{key}}
	g.repositories.StartTLS()
	t.Cleanup(g.repositories.Close)
	trust := npmPackage(t, map[string]string{
		"package.json":  `{"name":"trust","version":"1.0.0","scripts":{"postinstall":"git config --system http.https://github.com/.sslCAInfo \"$PWD/authority.pem\""}}`,
		"authority.pem": string(authority),
	})
	g.certificate = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(trust) }))
	t.Cleanup(g.certificate.Close)
	return g
}

// mayRead says whether a request is let through. A repository that is not there is like one that the caller may not read.
func (g *github) mayRead(r *http.Request) bool {
	for path, token := range g.tokens {
		if strings.HasPrefix(r.URL.Path, "/"+path+"/") {
			user, password, _ := r.BasicAuth()
			return user == token && password == "x-oauth-basic"
		}
	}
	owner, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	name, _, _ := strings.Cut(rest, "/")
	_, err := os.Stat(filepath.Join(g.root, owner, name))
	return err == nil && name != ""
}

// add makes a repository with two commits: files are in the second one.
func (g *github) add(t *testing.T, path string, files map[string]string) {
	t.Helper()
	work := t.TempDir()
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"}, args...)...)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	git("init", "--quiet")
	git("commit", "--quiet", "--allow-empty", "--message=first")
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(work, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git("add", ".")
	git("commit", "--quiet", "--message=second")
	git("clone", "--quiet", "--bare", ".", filepath.Join(g.root, path))
}

// isGithub lets the Sprites of a server take g for github.com.
func (g *github) isGithub(c *server.Config) {
	c.AllowHosts = append(c.AllowHosts, "github.com:443="+g.repositories.Listener.Addr().String(), g.certificate.Listener.Addr().String())
}

// trusted are the packages of an environment whose git trusts g.
func (g *github) trusted() string {
	return `,"packages":{"npm":[` + quoted(g.certificate.URL+"/trust.tgz") + `]}`
}

// certificate is one of a host that is its own authority, and what makes others trust it.
func certificate(t *testing.T, host string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// npmPackage is an archive as npm installs it.
func npmPackage(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	archive := tar.NewWriter(z)
	for name, text := range files {
		if err := archive.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
