package fault

import "encoding/json"

// Reason is what the body of a relay's refusal says, as the end of an error message.
func Reason(body []byte) string {
	var refused struct {
		Error  string `json:"error"`
		Hint   string `json:"hint"`
		Faults Faults `json:"faults"`
	}
	if err := json.Unmarshal(body, &refused); err != nil || refused.Error == "" && len(refused.Faults) == 0 {
		return ": not an alert-relay's answer (is the address right?)"
	}
	faults := refused.Faults
	if refused.Error != "" {
		faults = append(Faults{{What: refused.Error, Hint: refused.Hint}}, faults...)
	}
	return ": " + faults.Error()
}
