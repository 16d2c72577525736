package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

const (
	keySize   = 32 // AES-256
	keyIDSize = 4
)

// Keyring encrypts with its first key and decrypts with whichever key a value
// was encrypted with, so keys can be rotated: AES-256-GCM, and in front of each
// value the id of its key.
type Keyring struct {
	keys []key
	file *keyFile // that the keys are read from, nil if they were given
}

type key struct {
	id   []byte
	text string // as ParseKeys reads it
	aead cipher.AEAD
}

func (k key) name() string { return hex.EncodeToString(k.id) }

// NewKey makes a random key, as ParseKeys reads it.
func NewKey() Secret {
	raw := make([]byte, keySize)
	rand.Read(raw)
	return NewSecret(base64.StdEncoding.EncodeToString(raw))
}

// ParseKeys reads one or more base64 keys of 32 bytes, separated by commas.
func ParseKeys(text string) (*Keyring, error) {
	ring := &Keyring{}
	for i, part := range strings.Split(text, ",") {
		k, err := parseKey(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("encryption key %d %w", i+1, err)
		}
		ring.keys = append(ring.keys, k)
	}
	return ring, nil
}

func parseKey(text string) (key, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != keySize {
		return key{}, fmt.Errorf("is not %d bytes of base64 (make one with: aod key generate)", keySize)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return key{}, err
	}
	id := sha256.Sum256(raw)
	return key{id: id[:keyIDSize], text: text, aead: aead}, nil
}

// current returns the keys, as the key file has them at the moment.
func (k *Keyring) current() []key {
	if k.file == nil {
		return k.keys
	}
	return k.file.current()
}

// IDs returns the ids of the keys, in hexadecimal; that of the one that encrypts first.
func (k *Keyring) IDs() []string {
	var ids []string
	for _, key := range k.current() {
		ids = append(ids, key.name())
	}
	return ids
}

// Filed reports whether the keys are those of a key file, which can be changed.
func (k *Keyring) Filed() bool { return k.file != nil }

// seal encrypts plain. What it is for is authenticated with it, so a value that
// is moved to another place in the database does not open there.
func (k *Keyring) seal(plain []byte, purpose string) []byte {
	first := k.current()[0]
	nonce := make([]byte, first.aead.NonceSize())
	rand.Read(nonce)
	sealed := append(bytes.Clone(first.id), nonce...)
	return first.aead.Seal(sealed, nonce, plain, []byte(purpose))
}

var errSealed = errors.New("the encryption key does not open what the database holds; set AOD_ENCRYPTION_KEY to the key it was written with")

func (k *Keyring) open(sealed []byte, purpose string) ([]byte, error) {
	for _, key := range k.current() {
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
