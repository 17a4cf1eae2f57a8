// Package vault seals what people entrust to the relay, with the keys of the configuration. A canary in the store shows whether they
// are the keys with which it was sealed.
package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/seal"
	"nms-alert-relay/internal/store"
)

// Store is the part of store.Store that a Vault needs.
type Store interface {
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
	SealedValues(ctx context.Context) ([]store.SealedValue, error)
	Reseal(ctx context.Context, before, after string) error
	ForgetSealed(ctx context.Context, sealed string) error
}

// CanaryValue is the name of the value that only the right keys open.
const CanaryValue = "encryption.canary"

const canaryText = "alert-relay"

// State says whether secrets can be kept.
type State string

// The states of a vault.
const (
	Off   State = "off"   // no key is configured
	Ready State = "ready" // the keys are right
	Wrong State = "wrong" // what is stored was sealed with another key
)

// Check compares keys with the canary of a store; "" if the store has none.
func Check(keys seal.Keys, canary string) State {
	switch plain, err := keys.Open(canary, canaryPlace); {
	case len(keys) == 0:
		return Off
	case canary == "" || err == nil && plain == canaryText:
		return Ready
	}
	return Wrong
}

var canaryPlace = seal.Place("kept_values", CanaryValue)

// The reasons why a secret can't be kept.
var (
	ErrOff   = errors.New("no encryption key is configured")
	ErrWrong = errors.New("the encryption key isn't the one with which the store was sealed")
)

// Vault seals and opens values. It is safe for concurrent use.
type Vault struct {
	store Store
	log   *slog.Logger
	wrong prometheus.Gauge

	mu    sync.Mutex
	keys  seal.Keys
	state State
}

// New makes a vault without keys: call Use.
func New(s Store, log *slog.Logger, reg prometheus.Registerer) *Vault {
	v := &Vault{store: s, log: log, state: Off, wrong: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "alert_relay_encryption_key_wrong", Help: "1 if the store was sealed with a key that isn't configured, so that people's tokens can't be read.",
	})}
	reg.MustRegister(v.wrong)
	return v
}

// Use makes these the keys, after comparing them with the store.
func (v *Vault) Use(ctx context.Context, keys seal.Keys) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	canary, err := v.store.Value(ctx, CanaryValue)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("reading the canary of the encryption: %w", err)
	}
	state := Check(keys, canary)
	if state == Ready && canary == "" {
		if err := v.writeCanary(ctx, keys); err != nil {
			return err
		}
	}
	v.keys, v.state = keys, state
	v.wrong.Set(0)
	switch {
	case state == Wrong:
		v.wrong.Set(1)
		v.log.Error("encryption.keys_file doesn't have the key with which the store was sealed: people's Zabbix tokens can't be read, and the relay's user acts instead "+
			"(put the key back, after the new one; if it is lost, run 'alert-relay rekey --forget-unreadable')", "missing", seal.KeyID(canary), "configured", fmt.Sprint(keys))
	case state == Off && canary != "":
		v.log.Warn("encryption.keys_file is gone: people's Zabbix tokens can't be read, and the relay's user acts instead", "missing", seal.KeyID(canary))
	case state == Ready && canary != "" && !keys.Current(canary):
		v.log.Info("an older encryption key is in use: 'alert-relay rekey' seals everything with the first one, and then the older ones may go", "first", keys[0].ID, "in_use", seal.KeyID(canary))
	}
	return nil
}

func (v *Vault) writeCanary(ctx context.Context, keys seal.Keys) error {
	sealed, err := keys.Seal(canaryText, canaryPlace)
	if err == nil {
		err = v.store.SetValue(ctx, CanaryValue, sealed)
	}
	if err != nil {
		return fmt.Errorf("writing the canary of the encryption: %w", err)
	}
	return nil
}

// State returns whether secrets can be kept.
func (v *Vault) State() State {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state
}

// Seal encrypts a value for a place. It returns ErrOff or ErrWrong if secrets can't be kept.
func (v *Vault) Seal(plain, place string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch v.state {
	case Off:
		return "", ErrOff
	case Wrong:
		return "", ErrWrong
	}
	return v.keys.Seal(plain, place)
}

// Open decrypts a value of a place. It returns seal.ErrUnreadable if no key opens it.
func (v *Vault) Open(sealed, place string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.keys.Open(sealed, place)
}

// Rekeyed is what Rekey did.
type Rekeyed struct {
	Key        string `json:"key"`        // id of the first key
	Resealed   int    `json:"resealed"`   // values
	Unchanged  int    `json:"unchanged"`  // that had the first key already
	Unreadable int    `json:"unreadable"` // that no key opens
	Forgotten  int    `json:"forgotten"`  // of those
}

// Rekey seals every value with the first key. With forget, it removes those that no key opens.
func (v *Vault) Rekey(ctx context.Context, forget bool) (r Rekeyed, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.keys) == 0 {
		return r, ErrOff
	}
	r.Key = v.keys[0].ID
	values, err := v.store.SealedValues(ctx)
	if err != nil {
		return r, err
	}
	for _, value := range values {
		plain, err := v.keys.Open(value.Sealed, value.Place)
		switch {
		case err == nil && v.keys.Current(value.Sealed):
			r.Unchanged++
			continue
		case err == nil:
			var sealed string
			if sealed, err = v.keys.Seal(plain, value.Place); err == nil {
				err = v.store.Reseal(ctx, value.Sealed, sealed)
			}
			r.Resealed++
		case forget:
			r.Unreadable++
			r.Forgotten++
			err = v.store.ForgetSealed(ctx, value.Sealed)
		default:
			r.Unreadable++
			err = nil
		}
		if err != nil {
			return r, err
		}
	}
	if r.Unreadable > r.Forgotten {
		return r, nil // the canary shows that a key is missing
	}
	if err := v.writeCanary(ctx, v.keys); err != nil {
		return r, err
	}
	v.state = Ready
	v.wrong.Set(0)
	return r, nil
}
