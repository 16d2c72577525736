package tests

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const publicHost = "aod.example.com"

// The configurations of proxies in the documentation let a stream through as it comes.
func TestProxiesPassStreamsOn(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/self-hosting.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, b := range blocks(string(page)) {
		shown[b.language] = b.text
	}
	for name, proxy := range map[string]func(t *testing.T, a *api, config string) *api{"nginx": nginx, "caddy": caddy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			through := proxy(t, a, shown[name])
			id := through.in(through.shell(), "mkfifo gate; echo first; read -r _ < gate; echo second", "").want(202).text("id")
			stream := through.stream(id)
			stream.until(func(ev event) bool { return ev.Data == "first\n" }) // while the turn waits
			pass(t, a.dir, id, "gate")
			if all := stream.rest(); all[len(all)-1].Type != "exit" {
				t.Errorf("ended with %+v", all[len(all)-1])
			}
			through.post("/agents", `{"name":`+quoted(strings.Repeat("x", 7<<20))+`,"runtime":"shell"}`).want(422)
		})
	}
}

// nginx runs it before a, at a socket of its own in place of port 443.
func nginx(t *testing.T, a *api, config string) *api {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	certificate, authority := certificate(t, publicHost)
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	config = adapted(t, config, map[string]string{
		"listen 443 ssl": "listen unix:" + socket + " ssl", "/etc/ssl/aod.pem": dir + "/aod.pem", "/etc/ssl/aod.key": dir + "/aod.key",
		"127.0.0.1:8777": strings.TrimPrefix(a.url, "http://"),
	})
	whole := "daemon off; pid " + dir + "/pid; error_log stderr; events {} http { access_log off; client_body_temp_path " + dir + "/body; proxy_temp_path " + dir + "/proxy;\n" +
		"fastcgi_temp_path " + dir + "/fastcgi; uwsgi_temp_path " + dir + "/uwsgi; scgi_temp_path " + dir + "/scgi;\n" + config + "}\n"
	if os.Getuid() == 0 { // its workers would be somebody who does not reach the folder
		whole = "user root; " + whole
	}
	for name, text := range map[string][]byte{"nginx.conf": []byte(whole), "aod.pem": authority, "aod.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return before(t, a, "https://"+publicHost, socket, &tls.Config{RootCAs: roots}, "nginx", "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf"))
}

// caddy runs it before a, without a certificate, which it would get from the internet.
func caddy(t *testing.T, a *api, config string) *api {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	config = "{\n\tadmin off\n}\n" + adapted(t, config, map[string]string{
		publicHost + " {": "http://" + publicHost + " {\n\tbind unix/" + socket, "127.0.0.1:8777": strings.TrimPrefix(a.url, "http://"),
	})
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return before(t, a, "http://"+publicHost, socket, nil, "caddy", "run", "--config", path, "--adapter", "caddyfile")
}

// adapted is a configuration with what is another on this machine.
func adapted(t *testing.T, config string, changes map[string]string) string {
	t.Helper()
	for from, to := range changes {
		if strings.Count(config, from) != 1 {
			t.Fatalf("the configuration has no %q, or several: %s", from, config)
		}
		config = strings.Replace(config, from, to, 1)
	}
	return config
}

// before is a behind a proxy that listens at a socket.
func before(t *testing.T, a *api, url, socket string, config *tls.Config, command ...string) *api {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + t.TempDir()}
	if cmd.Err != nil { // it is where only root looks
		cmd.Path, cmd.Err = "/usr/sbin/"+command[0], nil
	}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was interrupted
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	waitFor(t, "no "+command[0], func() bool {
		conn, err := dial(t.Context(), "", "")
		return err == nil && conn.Close() == nil
	})
	through := a.as(a.token)
	through.url, through.via = url, &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: config}}
	return through
}
