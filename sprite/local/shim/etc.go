package shim

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/agent-on-demand/aod/sprite/local/nic"
	"golang.org/x/sys/unix"
)

// etcSeed is what a new Sprite gets of the host's /etc, and of it only what every host user may read. Nothing with secrets of the host
// (shadow, ssh, sudoers, ssl/private, apt/auth.conf) is listed.
var etcSeed = []string{
	"adduser.conf", "alternatives", "apt/apt.conf.d", "apt/keyrings", "apt/preferences.d", "apt/sources.list", "apt/sources.list.d", "apt/trusted.gpg.d",
	"bash.bashrc", "bash_completion.d", "ca-certificates", "ca-certificates.conf", "debconf.conf", "debian_version", "default", "deluser.conf",
	"dpkg", "emacs", "environment", "fonts", "gai.conf", "group", "host.conf", "init.d", "inputrc", "java-17-openjdk", "ld.so.cache", "ld.so.conf",
	"ld.so.conf.d", "libaudit.conf", "localtime", "login.defs", "logrotate.d", "lsb-release", "magic", "mime.types", "nodejs", "npmrc",
	"nsswitch.conf", "os-release", "pam.d", "passwd", "perl", "profile", "profile.d", "protocols", "python3", "python3.10", "python3.11", "python3.12", "python3.13",
	"rc0.d", "rcS.d", "security", "selinux", "services", "shells", "skel", "ssl/certs", "ssl/openssl.cnf", "sysctl.d", "systemd", "terminfo",
	"timezone", "tmpfiles.d", "update-motd.d", "xdg",
}

// seedEtc copies the seed into a skeleton.
func seedEtc(ctx context.Context, skeleton string) error {
	for _, name := range etcSeed {
		if err := copyOut(ctx, filepath.Join(etcTree, name), skeleton); err != nil {
			return err
		}
	}
	return nil
}

// copyOut copies an entry of the host, if it has it, to the same place in a skeleton.
func copyOut(ctx context.Context, path, skeleton string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	to := skeleton + path
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	switch mode := fi.Mode(); {
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case mode.IsDir():
		entries, err := os.ReadDir(path)
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		for _, e := range entries {
			if err := copyOut(ctx, filepath.Join(path, e.Name()), skeleton); err != nil {
				return err
			}
		}
	case mode.IsRegular() && mode.Perm()&unix.S_IROTH != 0:
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, mode.Perm()&^unix.S_IWOTH)
	}
	return nil
}

// etc writes at every start what depends on the host of today.
func (w *world) etc() error {
	resolv := "# names are looked up by the proxy that HTTP_PROXY names\n"
	if w.resolves {
		resolv = "nameserver " + nic.Nameserver + "\n"
	}
	for _, dir := range []string{"etc/apt/apt.conf.d", "etc/profile.d"} {
		if err := w.tree.mkdir(dir); err != nil {
			return err
		}
	}
	for name, content := range map[string]string{
		"hosts":                   "127.0.0.1 localhost " + w.cfg.Name + "\n::1 localhost\n",
		"hostname":                w.cfg.Name + "\n",
		"resolv.conf":             resolv,
		"apt/apt.conf.d/00sprite": "APT::Sandbox::User \"root\";\n",
		"profile.d/sprite.sh":     "PATH=\"" + strings.ReplaceAll(ownPath, Home, "$HOME") + ":$PATH:" + goPath + "\" # login shells have begun a PATH of their own\n",
	} {
		if err := w.tree.put("etc/"+name, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
