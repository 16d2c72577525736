package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	keySize   = 32 // AES-256
	keyIDSize = 4
)

// Keyring encrypts with its first key and decrypts with whichever key a value
// was encrypted with, so keys can be rotated: AES-256-GCM, and in front of each
// value the id of its key.
type Keyring struct{ keys []key }

type key struct {
	id   []byte
	aead cipher.AEAD
}

// ParseKeys reads one or more base64 keys of 32 bytes, separated by commas.
func ParseKeys(text string) (*Keyring, error) {
	ring := &Keyring{}
	for i, part := range strings.Split(text, ",") {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil || len(raw) != keySize {
			return nil, fmt.Errorf("encryption key %d is not %d bytes of base64 (make one with: openssl rand -base64 %d)", i+1, keySize, keySize)
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, fmt.Errorf("encryption key %d: %w", i+1, err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("encryption key %d: %w", i+1, err)
		}
		id := sha256.Sum256(raw)
		ring.keys = append(ring.keys, key{id: id[:keyIDSize], aead: aead})
	}
	return ring, nil
}

// KeyFile reads the keys in the file at path, which it makes (0600, one new
// random key) if there is none.
func KeyFile(path string) (*Keyring, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeKeyFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read encryption key: %w", err)
	}
	ring, err := ParseKeys(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ring, nil
}

// makeKeyFile links a complete file into place, so that of two processes that
// start at once both read the same key.
func makeKeyFile(path string) ([]byte, error) {
	raw := make([]byte, keySize)
	rand.Read(raw)
	draft, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(base64.StdEncoding.EncodeToString(raw) + "\n")
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

// seal encrypts plain. What it is for is authenticated with it, so a value that
// is moved to another place in the database does not open there.
func (k *Keyring) seal(plain []byte, purpose string) []byte {
	first := k.keys[0]
	nonce := make([]byte, first.aead.NonceSize())
	rand.Read(nonce)
	sealed := append(bytes.Clone(first.id), nonce...)
	return first.aead.Seal(sealed, nonce, plain, []byte(purpose))
}

var errSealed = errors.New("the encryption key does not open what the database holds; set AOD_ENCRYPTION_KEY to the key it was written with")

func (k *Keyring) open(sealed []byte, purpose string) ([]byte, error) {
	for _, key := range k.keys {
		id, rest := sealed[:min(keyIDSize, len(sealed))], sealed[min(keyIDSize, len(sealed)):]
		if !bytes.Equal(id, key.id) || len(rest) < key.aead.NonceSize() {
			continue
		}
		nonce, text := rest[:key.aead.NonceSize()], rest[key.aead.NonceSize():]
		if plain, err := key.aead.Open(nil, nonce, text, []byte(purpose)); err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}

func (k *Keyring) sealList(values []json.RawMessage, purpose string) ([]byte, error) {
	if len(values) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	return k.seal(text, purpose), nil
}

func (k *Keyring) openList(sealed []byte, purpose string) ([]json.RawMessage, error) {
	values := []json.RawMessage{}
	if len(sealed) == 0 {
		return values, nil
	}
	text, err := k.open(sealed, purpose)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("decode %s: %w", purpose, err)
	}
	return values, nil
}

func (k *Keyring) sealMap(values map[string]Secret, purpose string) ([]byte, error) {
	if len(values) == 0 {
		return nil, nil
	}
	plain := make(map[string]string, len(values))
	for name, value := range values {
		plain[name] = value.Reveal()
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	return k.seal(text, purpose), nil
}

func (k *Keyring) openMap(sealed []byte, purpose string) (map[string]Secret, error) {
	values := map[string]Secret{}
	if len(sealed) == 0 {
		return values, nil
	}
	text, err := k.open(sealed, purpose)
	if err != nil {
		return nil, err
	}
	var plain map[string]string
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, fmt.Errorf("decode %s: %w", purpose, err)
	}
	for name, value := range plain {
		values[name] = NewSecret(value)
	}
	return values, nil
}
