package provision

import "nms-alert-relay/internal/text"

// kind is one kind of object, with its methods in Zabbix's API.
type kind struct {
	word                   string // in what people read
	get                    string
	create, update, remove string
	id                     string // the property with its id; answers have a list of them, with an s
}

func kindOf(word, object, id string) *kind {
	return &kind{word: word, get: object + ".get", create: object + ".create", update: object + ".update", remove: object + ".delete", id: id}
}

var (
	mediaTypes = kindOf("media type", "mediatype", "mediatypeid")
	roles      = kindOf("role", "role", "roleid")
	userGroups = kindOf("user group", "usergroup", "usrgrpid")
	users      = kindOf("user", "user", "userid")
	tokens     = kindOf("API token", "token", "tokenid")
	actions    = kindOf("action", "action", "actionid")
	templates  = &kind{word: "template", get: "template.get", create: importMethod, update: importMethod, remove: "template.delete", id: "templateid"}
	macros     = &kind{word: "global macro", get: "usermacro.get", create: "usermacro.createglobal", update: "usermacro.updateglobal",
		remove: "usermacro.deleteglobal", id: "globalmacroid"}
)

// importMethod creates and updates what is in a file.
const importMethod = "configuration.import"

// removal is the order in which objects can be removed: Zabbix keeps what another object refers to.
var removal = []*kind{templates, actions, macros, tokens, users, userGroups, roles, mediaTypes}

// ref is a property whose value is the id of our object of a kind, which may not exist yet.
type ref struct{ kind *kind }

// field is one property of an object, or one element of a list property, in words.
type field struct {
	property string // of the API, which carries it
	name     string // as people read it
	value    string
	secret   bool // the value is never shown, and isn't part of a mark
	address  bool // user and password in the value are never shown, and aren't part of a mark
	routine  bool // not shown one by one when the object is created
}

// shown is the value as people may see it.
func (f field) shown() string {
	if f.address {
		return text.RedactURL(f.value)
	}
	return f.value
}

// object is one object in Zabbix, wanted or found.
type object struct {
	kind   *kind
	name   string
	id     string // of a found one
	marked bool   // of a found one: it carries our mark
	edited bool   // of a found one: it isn't as our mark says that it was written
	fields []field
	params map[string]any // of a wanted one: its properties for the API
}
