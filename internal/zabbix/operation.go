package zabbix

import "encoding/json"

// Operation is an operation of an action.
type Operation struct {
	Type    Text             `json:"operationtype"`
	From    Text             `json:"esc_step_from"`
	To      Text             `json:"esc_step_to"`
	Message OperationMessage `json:"opmessage"`
	Users   []struct {
		ID Text `json:"userid"`
	} `json:"opmessage_usr"`
	Groups []struct {
		ID Text `json:"usrgrpid"`
	} `json:"opmessage_grp"`
}

// OperationMessage is the message of an operation.
type OperationMessage struct {
	Default   Text `json:"default_msg"`
	MediaType Text `json:"mediatypeid"`
}

// UnmarshalJSON accepts PHP's empty list too: the message of an operation that sends none.
func (m *OperationMessage) UnmarshalJSON(raw []byte) error {
	type plain OperationMessage
	if string(raw) == "[]" {
		*m = OperationMessage{}
		return nil
	}
	return json.Unmarshal(raw, (*plain)(m))
}

// The types of operations that send messages; others run commands or change a host.
const (
	OperationSends         = "0"
	operationRecoversToAll = "11"
	operationUpdatesToAll  = "12"
)

// ToAllInvolved reports whether an operation sends to everybody who got the messages before.
func (o Operation) ToAllInvolved() bool {
	return o.Type == operationRecoversToAll || o.Type == operationUpdatesToAll
}

// SendsBy returns the media type of an operation that sends messages, AllMedia for every one of its recipients; "" if it sends none.
func (o Operation) SendsBy() string {
	switch {
	case o.Type != OperationSends && !o.ToAllInvolved():
		return ""
	case o.Message.MediaType == "":
		return AllMedia
	default:
		return string(o.Message.MediaType)
	}
}

// mediaTypesOf returns the media types of the operations that send messages.
func mediaTypesOf(operations []Operation) (types []string) {
	for _, o := range operations {
		if by := o.SendsBy(); by != "" {
			types = append(types, by)
		}
	}
	return types
}
