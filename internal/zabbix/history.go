package zabbix

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// ValueType is the kind of an item's values: the number that history.get has for it.
type ValueType string

// The kinds of numbers. All others are texts.
const (
	Float    ValueType = "0"
	Unsigned ValueType = "3"
)

// Item is an item of a trigger, with what a graph of it needs.
type Item struct {
	ID, Name, Key string
	Host          string // the technical name
	Units         string
	Type          ValueType
	// History and Trends are how long Zabbix keeps values and hourly summaries: 0 for not at all, below 0 if it isn't known.
	History, Trends time.Duration
	Delay           time.Duration     // between two values; 0 if it isn't known
	Values          map[string]string // the value map; nil for none
	Thresholds      []Threshold       // of the trigger
}

// Numeric reports whether the values are numbers.
func (i Item) Numeric() bool { return i.Type == Float || i.Type == Unsigned }

// binary is the type of items that keep pictures and the like (7.0).
const binary ValueType = "5"

// Textual reports whether the values are texts that can be shown.
func (i Item) Textual() bool { return !i.Numeric() && i.Type != binary }

// Value is a number of an item.
type Value struct {
	At     time.Time
	Number float64
}

// TextValue is a text of an item.
type TextValue struct {
	At   time.Time
	Text string
}

// Trend summarises the values of an hour.
type Trend struct {
	At            time.Time
	Min, Avg, Max float64
}

// maxItems bounds how many items of a trigger are read.
const maxItems = 50

// TriggerItems reads the items of a trigger, in the order of its expression as far as Zabbix keeps it. None if Zabbix doesn't show the
// trigger.
func (c *Client) TriggerItems(ctx context.Context, triggerID string) ([]Item, error) {
	if !askableID(triggerID) {
		return nil, nil
	}
	ids, expression, err := c.expression(ctx, triggerID)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	byID, err := c.items(ctx, ids)
	if err != nil {
		return nil, err
	}
	thresholds := Thresholds(expression)
	var list []Item
	for _, id := range ids {
		item, ok := byID[id]
		if !ok {
			continue
		}
		for _, t := range thresholds {
			if t.Host == item.Host && t.Key == item.Key {
				item.Thresholds = append(item.Thresholds, t)
			}
		}
		list = append(list, item)
	}
	return list, nil
}

// expression reads a trigger's expression and the ids of its items.
func (c *Client) expression(ctx context.Context, triggerID string) (ids []string, expression string, err error) {
	const method = "trigger.get"
	var triggers []struct {
		Expression string
		Items      []struct {
			ItemID text `json:"itemid"`
		}
	}
	err = c.permitted(method, c.Call(ctx, method, map[string]any{
		"triggerids": []string{triggerID}, "output": []string{"triggerid", "expression"}, "expandExpression": true, "selectItems": []string{"itemid"},
	}, &triggers))
	if err != nil || len(triggers) == 0 {
		return nil, "", err
	}
	for _, i := range triggers[0].Items[:min(len(triggers[0].Items), maxItems)] {
		ids = append(ids, string(i.ItemID))
	}
	return ids, triggers[0].Expression, nil
}

func (c *Client) items(ctx context.Context, ids []string) (map[string]Item, error) {
	const method = "item.get"
	var rows []apiItem
	err := c.permitted(method, c.call(ctx, method, func(v Version) any {
		output := []string{"itemid", "name", "key_", "value_type", "units", "history", "trends", "delay"}
		if v.ResolvedNames {
			output = append(output, "name_resolved")
		}
		// Items of web scenarios are left out without it.
		return map[string]any{"itemids": ids, "output": output, "webitems": true, "selectHosts": []string{"host"}, "selectValueMap": []string{"mappings"}}
	}, &rows))
	if err != nil {
		return nil, err
	}
	byID := make(map[string]Item, len(rows))
	for _, r := range rows {
		byID[string(r.ItemID)] = r.item()
	}
	return byID, nil
}

// apiItem is an item of item.get.
type apiItem struct {
	ItemID       text `json:"itemid"`
	Name         string
	NameResolved string `json:"name_resolved"`
	Key          string `json:"key_"`
	ValueType    text   `json:"value_type"`
	Units        string
	History      text
	Trends       text
	Delay        text
	Hosts        []struct{ Host string }
	ValueMap     valueMap `json:"valuemap"`
}

// valueMap is an item's value map: an empty list for none.
type valueMap struct {
	Mappings []struct{ Type, Value, NewValue text }
}

func (m *valueMap) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] != '{' {
		return nil
	}
	type plain valueMap
	return json.Unmarshal(raw, (*plain)(m))
}

func (r apiItem) item() Item {
	i := Item{ID: string(r.ItemID), Name: r.Name, Key: r.Key, Units: r.Units, Type: ValueType(r.ValueType), History: period(r.History), Trends: period(r.Trends)}
	if r.NameResolved != "" {
		i.Name = r.NameResolved
	}
	if len(r.Hosts) > 0 {
		i.Host = r.Hosts[0].Host
	}
	i.Delay = max(0, period(r.Delay))
	const equal = "0" // the type of a mapping; others are ranges and patterns
	for _, m := range r.ValueMap.Mappings {
		if m.Type == "" || m.Type == equal {
			if i.Values == nil {
				i.Values = map[string]string{}
			}
			i.Values[string(m.Value)] = string(m.NewValue)
		}
	}
	return i
}

// period reads "90d", "30s" or "0". Anything else, such as a user macro or several intervals, is below 0: unknown.
func period(t text) time.Duration {
	seconds, ok := suffixed(string(t))
	if !ok || seconds < 0 || seconds > math.MaxInt64/float64(time.Second) {
		return -1
	}
	return time.Duration(seconds) * time.Second
}

// apiValue is a value of history.get, or of trend.get.
type apiValue struct {
	Clock, NS, Value text
	Min              text `json:"value_min"`
	Avg              text `json:"value_avg"`
	Max              text `json:"value_max"`
}

func (v apiValue) at() time.Time {
	return v.Clock.time().Add(time.Duration(v.NS.number()) % time.Second)
}

func (c *Client) history(ctx context.Context, i Item, from, to time.Time, limit int) (rows []apiValue, err error) {
	const method = "history.get"
	kind, err := strconv.Atoi(string(i.Type))
	if err != nil {
		return nil, &Error{Method: method, Kind: Unreachable, Unanswered: true, Message: "expected a value type, got " + strconv.Quote(shorten(string(i.Type)))}
	}
	return rows, c.permitted(method, c.Call(ctx, method, map[string]any{
		"history": kind, "itemids": []string{i.ID}, "output": []string{"clock", "ns", "value"},
		"time_from": from.Unix(), "time_till": to.Unix(), "sortfield": "clock", "sortorder": "DESC", "limit": limit,
	}, &rows))
}

// History reads the newest limit values of a numeric item in a window, the newest first.
func (c *Client) History(ctx context.Context, i Item, from, to time.Time, limit int) (list []Value, err error) {
	rows, err := c.history(ctx, i, from, to, limit)
	for _, r := range rows {
		if n, ok := numberOf(r.Value); ok {
			list = append(list, Value{r.at(), n})
		}
	}
	return list, err
}

// Texts reads the newest limit values of any item in a window, the newest first.
func (c *Client) Texts(ctx context.Context, i Item, from, to time.Time, limit int) (list []TextValue, err error) {
	rows, err := c.history(ctx, i, from, to, limit)
	for _, r := range rows {
		list = append(list, TextValue{r.at(), string(r.Value)})
	}
	return list, err
}

// Trends reads the hourly summaries of a numeric item, at most limit.
func (c *Client) Trends(ctx context.Context, i Item, from, to time.Time, limit int) (list []Trend, err error) {
	const method = "trend.get"
	var rows []apiValue
	err = c.permitted(method, c.Call(ctx, method, map[string]any{
		"itemids": []string{i.ID}, "output": []string{"clock", "value_min", "value_avg", "value_max"},
		"time_from": from.Unix(), "time_till": to.Unix(), "limit": limit,
	}, &rows))
	for _, r := range rows {
		low, ok1 := numberOf(r.Min)
		avg, ok2 := numberOf(r.Avg)
		top, ok3 := numberOf(r.Max)
		if ok1 && ok2 && ok3 {
			list = append(list, Trend{r.at(), low, avg, top})
		}
	}
	return list, err
}

func numberOf(t text) (float64, bool) {
	n, err := strconv.ParseFloat(string(t), 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}
