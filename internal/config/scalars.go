package config

import (
	"reflect"

	"nms-alert-relay/internal/alert"
)

// scalar is a type that the file writes as one value.
type scalar struct {
	want   string // "a duration", for faults
	parse  func(string) (any, error)
	schema node
}

// scalars are those types. SeverityMatch is a list of texts.
var scalars = map[reflect.Type]scalar{
	reflect.TypeFor[alert.Severity](): scalarOf("a severity", parseSeverity, severity("")),
	reflect.TypeFor[TimeZone]():       scalarOf("a time zone", ParseTimeZone, typed("string")),
	reflect.TypeFor[Glob]():           scalarOf("a string", parseNameGlob, typed("string", "number")),
	reflect.TypeFor[TagRule]():        scalarOf("a string", ParseTagRule, typed("string", "number")),
	reflect.TypeFor[Pattern]():        scalarOf("a string", ParsePattern, typed("string", "number")),
	reflect.TypeFor[Days]():           scalarOf("a string", ParseDays, typed("string", "number")),
	reflect.TypeFor[Hours](): scalarOf("a string", ParseHours, node{
		"type": []string{"string", "number", "null"}, "pattern": hoursPattern.String(),
	}),
	reflect.TypeFor[LocalTime](): scalarOf("a date with a time", ParseLocalTime, node{"type": []string{"string", "null"}, "pattern": ` *` + localPattern.String()[1:len(localPattern.String())-1] + ` *`}),
	reflect.TypeFor[Duration](): scalarOf("a duration", ParseDuration, node{
		"type": []string{"string", "integer", "null"}, "pattern": durationSchema, "minimum": 0, "maximum": 0, // the only bare number is 0
	}),
	reflect.TypeFor[GraphFrom](): scalarOf("a severity, true or false", ParseGraphFrom, node{"anyOf": []any{typed("boolean"), severity(`(>= *)?`)}}),
	reflect.TypeFor[Times](): scalarOf("a number", ParseTimes, node{
		"type": []string{"string", "integer", "null"}, "pattern": `^ *([Oo][Ff][Ff]|0|[2-9]|[1-9][0-9]{1,3}) *$`,
		"minimum": 0, "maximum": maxTimes, "not": node{"const": 1},
	}),
}

func scalarOf[T any](want string, parse func(string) (T, error), schema node) scalar {
	return scalar{want: want, parse: func(text string) (any, error) { return parse(text) }, schema: schema}
}

var severitiesType = reflect.TypeFor[SeverityMatch]()
