package admin

import (
	"errors"
	"net/http"

	"nms-alert-relay/internal/vault"
)

// Rekey asks to seal everything that is stored encrypted with the first key.
type Rekey struct {
	// ForgetUnreadable removes what no key opens.
	ForgetUnreadable bool `json:"forget_unreadable,omitempty"`
}

func (a *API) rekey(r *http.Request) (any, error) {
	var c Rekey
	if err := decode(r, &c, `{}`); err != nil {
		return nil, err
	}
	done, err := a.Vault.Rekey(r.Context(), c.ForgetUnreadable)
	if errors.Is(err, vault.ErrOff) {
		return nil, &refusal{http.StatusConflict, err.Error(), "encryption: {keys_file: FILE} in the configuration"}
	}
	if err == nil {
		a.Log.Info("sealed values were sealed with the first encryption key", "key", done.Key, "resealed", done.Resealed, "unchanged", done.Unchanged,
			"unreadable", done.Unreadable, "forgotten", done.Forgotten, "by", r.RemoteAddr)
	}
	return done, err
}
