package doctor

import (
	"context"
	"fmt"
	"slices"

	"nms-alert-relay/internal/zabbix"
)

// PersonToken is a person's own API token of a source, encrypted.
type PersonToken struct {
	Person        string // address
	Source, User  string // User is the one in Zabbix
	Sealed, Place string
}

// ownToken is what was read of Zabbix with a person's own token.
type ownToken struct {
	PersonToken
	unreadable bool
	user       string // whose it is, by Zabbix
	err        error
	denied     error // the role forbids what the token is for
}

// acting is the method that people's tokens are used for.
const acting = "event.acknowledge"

// tokenChecks checks people's own tokens of a source: one line for each person.
func tokenChecks(ctx context.Context, l *list, o Options, source string, client *zabbix.Client) {
	if o.Tokens == nil {
		return
	}
	all, err := o.Tokens(ctx, o.StorePath)
	if err != nil {
		l.warning("people's tokens", "cannot read them: "+cause(err), "")
		return
	}
	all = slices.DeleteFunc(slices.Clone(all), func(t PersonToken) bool { return t.Source != source })
	for i, t := range all {
		if ctx.Err() != nil {
			l.warning("people's tokens", fmt.Sprintf("%d weren't checked: Zabbix is too slow", len(all)-i), "")
			return
		}
		one := ownToken{PersonToken: t}
		one.read(ctx, o, client)
		one.judge(l)
	}
}

func (t *ownToken) read(ctx context.Context, o Options, client *zabbix.Client) {
	token, err := o.Config.Encryption.Keyring().Open(t.Sealed, t.Place)
	if err != nil {
		t.unreadable = true
		return
	}
	owner, err := client.CheckToken(ctx, token)
	if zabbix.KindOf(err) == zabbix.RoleForbids { // it may act without a right to say whose it is
		err = nil
	}
	if t.user, t.err = owner.Username, err; err != nil {
		return
	}
	err = client.As(token).Call(ctx, acting, harmless(acting), nil)
	switch kind := zabbix.KindOf(err); {
	case kind == zabbix.RoleForbids:
		t.denied = err
	case kind == zabbix.NotAuthorised, kind.Temporary():
		t.err = err
	}
}

func (t *ownToken) judge(l *list) {
	name := "token of " + shown(t.Person)
	user := "its Zabbix user " + shown(t.User)
	if t.user != "" && t.user != t.User {
		user = "its Zabbix user " + shown(t.user)
	}
	const again = "ask them to send `token` to the bot in a direct chat"
	switch kind := zabbix.KindOf(t.err); {
	case t.unreadable:
		l.warning(name, "no key of encryption.keys_file opens it: the relay's user acts for them", "put the key back that it was encrypted with, or "+again)
	case kind == zabbix.NotAuthorised:
		l.warning(name, "Zabbix refuses it ("+reason(t.err)+"): the relay forgets it at the next use, and its own user acts for them", again)
	case t.err != nil:
		l.warning(name, "it couldn't be checked: "+reason(t.err), "")
	case t.denied != nil:
		l.warning(name, "the role of "+user+" forbids "+acting+": nothing that they do from a room is done in Zabbix", "allow them API access and this method in Users → User roles, or ask them to send `forget me`")
	default:
		l.ok(name, "accepted: "+user+" may act")
	}
}
