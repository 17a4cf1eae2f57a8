package provision

// macro is a global macro as the API has it.
type macro struct {
	ID          str `json:"globalmacroid"`
	Macro       str `json:"macro"`
	Value       str `json:"value"`
	Type        str `json:"type"`
	Description str `json:"description"`
}

// wantedMacro has the relay's address, for URLs in triggers and dashboards.
func wantedMacro(o Options) (object, bool) {
	m := macro{Macro: macroName, Value: str(o.URL), Type: "0"}
	if o.URL == "" {
		return object{}, false
	}
	m.Description = str(marked("Address of the Webex relay.", m.fields()))
	return object{kind: macros, name: macroName, fields: m.fields(), params: map[string]any{"macro": m.Macro, "value": m.Value, "type": m.Type, "description": m.Description}}, true
}

func (m macro) object() object {
	o := object{kind: macros, name: string(m.Macro), id: string(m.ID), fields: m.fields()}
	o.marked, o.edited = readMark(string(m.Description), o.fields)
	return o
}

func (m macro) fields() []field {
	return []field{
		{property: "value", name: "value", value: string(m.Value), address: true},
		{property: "type", name: "type", value: word(string(m.Type), "text", "secret", "vault"), routine: true},
		{property: "description", name: "description", value: withoutChecksum(string(m.Description)), routine: true},
	}
}
