package provision

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"nms-alert-relay/zabbix"
)

type parameter struct {
	Name  str `json:"name" yaml:"name"`
	Value str `json:"value" yaml:"value"`
}

type messageTemplate struct {
	Source  str `json:"eventsource"`
	Mode    str `json:"recovery"`
	Subject str `json:"subject"`
	Message str `json:"message"`
}

// mediaType is a media type as the API has it.
type mediaType struct {
	ID            str               `json:"mediatypeid"`
	Name          str               `json:"name"`
	Type          str               `json:"type"`
	Status        str               `json:"status"`
	Sessions      str               `json:"maxsessions"`
	Attempts      str               `json:"maxattempts"`
	Interval      str               `json:"attempt_interval"`
	Timeout       str               `json:"timeout"`
	Script        str               `json:"script"`
	ProcessTags   str               `json:"process_tags"`
	ShowEventMenu str               `json:"show_event_menu"`
	EventMenuURL  str               `json:"event_menu_url"`
	EventMenuName str               `json:"event_menu_name"`
	Description   str               `json:"description"`
	Parameters    []parameter       `json:"parameters"`
	Templates     []messageTemplate `json:"message_templates"`
}

// Zabbix's words in a file, and its numbers in the API: a word's place is its number.
var (
	eventSources = []string{"TRIGGERS", "DISCOVERY", "AUTOREGISTRATION", "INTERNAL", "SERVICE"}
	modes        = []string{"PROBLEM", "RECOVERY", "UPDATE"}
)

const webhook = "4" // a media type's type

// shipped is the media type of our file, with settings.
func shipped(s zabbix.Settings) mediaType {
	var file struct {
		Export struct {
			MediaTypes []struct {
				Name          str         `yaml:"name"`
				Sessions      str         `yaml:"max_sessions"`
				Attempts      str         `yaml:"attempts"`
				Interval      str         `yaml:"attempt_interval"`
				Timeout       str         `yaml:"timeout"`
				Script        str         `yaml:"script"`
				EventMenuURL  str         `yaml:"event_menu_url"`
				EventMenuName str         `yaml:"event_menu_name"`
				Description   str         `yaml:"description"`
				Parameters    []parameter `yaml:"parameters"`
				Templates     []struct {
					Source  string `yaml:"event_source"`
					Mode    string `yaml:"operation_mode"`
					Subject str    `yaml:"subject"`
					Message str    `yaml:"message"`
				} `yaml:"message_templates"`
			} `yaml:"media_types"`
		} `yaml:"zabbix_export"`
	}
	if err := yaml.Unmarshal(zabbix.Filled(s), &file); err != nil || len(file.Export.MediaTypes) != 1 {
		panic(fmt.Sprintf("provision: the media type's file: %v", err)) // it is embedded and tested
	}
	f := file.Export.MediaTypes[0]
	m := mediaType{Name: f.Name, Type: webhook, Status: enabled, Sessions: f.Sessions, Attempts: f.Attempts, Interval: f.Interval, Timeout: f.Timeout,
		Script: str(strings.TrimSpace(string(f.Script))), ProcessTags: "1", ShowEventMenu: "1", EventMenuURL: f.EventMenuURL, EventMenuName: f.EventMenuName,
		Description: f.Description, Parameters: f.Parameters}
	for _, t := range f.Templates {
		m.Templates = append(m.Templates, messageTemplate{place(eventSources, t.Source), place(modes, t.Mode), t.Subject, t.Message})
	}
	return m
}

func place(words []string, word string) str {
	for i, w := range words {
		if w == word {
			return str(strconv.Itoa(i))
		}
	}
	panic("provision: unknown word in the media type's file: " + word) // it is embedded and tested
}

const enabled = "0"

// wantedMediaType is the shipped one with the settings of the options. What an administrator added in Zabbix stays: parameters of his
// own and the proxy.
func wantedMediaType(o Options, s *state) object {
	settings := zabbix.Settings{URL: o.URL, Secret: o.Secret, Source: o.Source, HTTPProxy: o.HTTPProxy}
	for _, p := range s.parameters {
		switch {
		case p.Name == "HTTP_PROXY" && settings.HTTPProxy == "":
			settings.HTTPProxy = string(p.Value)
		case p.Name == "URL" && settings.URL == "":
			settings.URL = string(p.Value)
		}
	}
	m := shipped(settings)
	own := map[str]bool{}
	for _, p := range m.Parameters {
		own[p.Name] = true
	}
	for _, p := range s.parameters {
		if !own[p.Name] {
			m.Parameters = append(m.Parameters, p)
		}
	}
	m.Description = str(marked(string(m.Description), m.fields()))
	return object{kind: mediaTypes, name: zabbix.Name, fields: m.fields(), params: map[string]any{
		"name": m.Name, "type": m.Type, "status": m.Status, "maxsessions": m.Sessions, "maxattempts": m.Attempts, "attempt_interval": m.Interval,
		"timeout": m.Timeout, "script": m.Script, "process_tags": m.ProcessTags, "show_event_menu": m.ShowEventMenu, "event_menu_url": m.EventMenuURL,
		"event_menu_name": m.EventMenuName, "description": m.Description, "parameters": m.Parameters, "message_templates": m.Templates,
	}}
}

func (m mediaType) object() object {
	o := object{kind: mediaTypes, name: string(m.Name), id: string(m.ID), fields: m.fields()}
	o.marked, o.edited = readMark(string(m.Description), o.fields)
	return o
}

func (m mediaType) fields() []field {
	list := []field{
		{property: "status", name: "status", value: word(string(m.Status), "enabled", "disabled")},
		{property: "type", name: "type", value: map[str]string{webhook: "webhook"}[m.Type], routine: true},
		{property: "maxsessions", name: "concurrent sessions", value: string(m.Sessions), routine: true},
		{property: "maxattempts", name: "attempts", value: string(m.Attempts), routine: true},
		{property: "attempt_interval", name: "attempt interval", value: string(m.Interval), routine: true},
		{property: "timeout", name: "timeout", value: string(m.Timeout), routine: true},
		{property: "process_tags", name: "process tags", value: word(string(m.ProcessTags), "no", "yes"), routine: true},
		{property: "show_event_menu", name: "event menu entry", value: word(string(m.ShowEventMenu), "no", "yes"), routine: true},
		{property: "event_menu_url", name: "event menu URL", value: string(m.EventMenuURL), routine: true},
		{property: "event_menu_name", name: "event menu name", value: string(m.EventMenuName), routine: true},
		{property: "script", name: "script", value: strings.ReplaceAll(strings.TrimSpace(string(m.Script)), "\r\n", "\n"), secret: true, routine: true}, // it has the secret too
		{property: "description", name: "description", value: withoutChecksum(string(m.Description)), routine: true},
	}
	for _, p := range m.Parameters {
		name, value := string(p.Name), string(p.Value)
		list = append(list, field{property: "parameters", name: "parameter " + name, value: value, secret: name == "SECRET",
			address: name == "URL" || name == "HTTP_PROXY", routine: value == "" || value == "{"+name+"}"})
	}
	for _, t := range m.Templates {
		list = append(list, field{property: "message_templates", name: "message template " + at(eventSources, t.Source) + " " + at(modes, t.Mode),
			value: string(t.Subject) + " | " + string(t.Message), routine: true})
	}
	return list
}

// at returns the word of a number, in small letters.
func at(words []string, number str) string {
	if n, err := strconv.Atoi(string(number)); err == nil && n >= 0 && n < len(words) {
		return strings.ToLower(words[n])
	}
	return string(number)
}

// word returns the word of a number, or the number if it has none.
func word(number string, words ...string) string {
	if n, err := strconv.Atoi(number); err == nil && n >= 0 && n < len(words) {
		return words[n]
	}
	return number
}
