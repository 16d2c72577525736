package server

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A backup is a tar file with the manifest first and then the files that it names, in its
// order, so that it can be checked while it is read once.
const (
	manifestName   = "manifest.json"
	manifestFormat = 1
	databaseName   = "aod.db"
	keyName        = "key"
	maxManifest    = 64 << 10
)

// Manifest says what a backup has.
type Manifest struct {
	Format     int         `json:"format"`
	Version    string      `json:"version"` // of aod
	Schema     int         `json:"schema"`
	Deployment string      `json:"deployment"`
	CreatedAt  time.Time   `json:"created_at"`
	Sessions   int         `json:"sessions"`
	Rows       int         `json:"rows"`
	Key        string      `json:"key"` // keyIncluded or keyGiven
	Files      []SavedFile `json:"files"`
}

// Where the encryption key of a backup is.
const (
	keyIncluded = "included"
	keyGiven    = "AOD_ENCRYPTION_KEY"
)

// KeyIncluded reports whether the backup can be restored without another key.
func (m Manifest) KeyIncluded() bool { return m.Key == keyIncluded }

// SavedFile is a file of a backup.
type SavedFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// measure says what the file of that name in a folder is.
func measure(dir, name string) (SavedFile, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return SavedFile{}, err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	return SavedFile{Name: name, Size: size, SHA256: hexSum(sum)}, err
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// pack writes the backup whose files are in a folder.
func (m Manifest) pack(w io.Writer, dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	header := func(name string, size int64) error {
		return archive.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: m.CreatedAt.Truncate(time.Second), Format: tar.FormatPAX})
	}
	if err := header(manifestName, int64(len(text))); err != nil {
		return err
	}
	if _, err := archive.Write(text); err != nil {
		return err
	}
	for _, file := range m.Files {
		if err := header(file.Name, file.Size); err != nil {
			return err
		}
		if err := copyFrom(archive, filepath.Join(dir, file.Name)); err != nil {
			return err
		}
	}
	return archive.Close()
}

func copyFrom(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// unpack reads a backup and writes its files into a folder, synced. What does not fit the
// manifest in any way is an error.
func unpack(r io.Reader, dir string) (m Manifest, err error) {
	archive := tar.NewReader(r)
	if m, err = readManifest(archive); err != nil {
		return m, err
	}
	for _, file := range m.Files {
		header, err := archive.Next()
		if err != nil {
			return m, fmt.Errorf("the backup is not whole: it lacks %s: %w", file.Name, err)
		}
		if header.Name != file.Name || header.Typeflag != tar.TypeReg || header.Size != file.Size {
			return m, fmt.Errorf("the backup has been changed: its %.40q is not the %s of its manifest", header.Name, file.Name)
		}
		if err := file.write(archive, dir); err != nil {
			return m, err
		}
	}
	if header, err := archive.Next(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = fmt.Errorf("it has a %.40q that is not in its manifest", header.Name)
		}
		return m, fmt.Errorf("the backup has been changed: %w", err)
	}
	return m, nil
}

func readManifest(archive *tar.Reader) (m Manifest, err error) {
	header, err := archive.Next()
	if err != nil || header.Name != manifestName || header.Typeflag != tar.TypeReg || header.Size > maxManifest {
		return m, errors.New("it is no backup that aod backup has made")
	}
	text, err := io.ReadAll(archive)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("read the backup's manifest: %w", err)
	}
	if m.Format != manifestFormat {
		return m, fmt.Errorf("the backup has format %d, made by aod %s, and this binary knows format %d: use that aod, or a newer one", m.Format, m.Version, manifestFormat)
	}
	return m, m.check()
}

// check makes sure that the manifest names the files that a backup has, and no other.
func (m Manifest) check() error {
	want := []string{databaseName}
	if m.KeyIncluded() {
		want = append(want, keyName)
	}
	for i, name := range want {
		if len(m.Files) != len(want) || m.Files[i].Name != name || m.Files[i].Size <= 0 {
			return fmt.Errorf("the backup's manifest does not have the files %v", want)
		}
	}
	return nil
}

// write copies the file out of a backup, and checks it.
func (f SavedFile) write(r io.Reader, dir string) error {
	out, err := os.OpenFile(filepath.Join(dir, f.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(out, sum), r)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("the backup's %s cannot be copied: %w", f.Name, err)
	}
	if size != f.Size || hexSum(sum) != f.SHA256 {
		return fmt.Errorf("the backup is damaged: its %s is not the one that was saved", f.Name)
	}
	return nil
}
