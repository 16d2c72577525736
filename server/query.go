package server

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// checkQuery returns the parameters of a query that the document knows, each in
// its one form, or why the query is refused. Others are ignored.
func (v *validator) checkQuery(op *operation, raw string) (string, error) {
	given, err := url.ParseQuery(raw)
	if err != nil {
		return "", &invalid{[]problem{ruled(hidden, "the query is not well-formed", "query")}}
	}
	fields := op.queryFields(given)
	coerce(op.query, fields)
	found := v.examine(op.query, fields, nil)
	if len(found) == 0 {
		return queryOf(fields).Encode(), nil
	}
	for i := range found {
		found[i].Loc = append([]any{"query"}, found[i].Loc...)
	}
	return "", &invalid{found}
}

// queryFields reads the parameters of a query as the fields of an object. What is
// given twice and can be only once becomes a list, which no schema takes.
func (op *operation) queryFields(given url.Values) map[string]any {
	fields := map[string]any{}
	for name, property := range op.query.Properties {
		switch kind := property.Value.Type; {
		case kind.Is("object"):
			addObject(fields, name, given)
		case kind.Is("array") && given.Has(name), len(given[name]) > 1:
			fields[name] = each(given[name], anyText)
		case given.Has(name):
			fields[name] = given.Get(name)
		}
	}
	return fields
}

// addObject adds the parameters name[key]=value as one object, or one of them that is
// written in another way. There is no way to write a key that has brackets itself.
func addObject(fields map[string]any, name string, given url.Values) {
	object := map[string]any{}
	for parameter, values := range given {
		key, isObject := strings.CutPrefix(parameter, name+"[")
		if parameter != name && !isObject {
			continue
		}
		key, closed := strings.CutSuffix(key, "]")
		if !closed || strings.ContainsAny(key, "[]") {
			fields[name] = parameter
			return
		}
		object[key] = values[0]
		if len(values) > 1 {
			object[key] = each(values, anyText)
		}
	}
	if len(object) > 0 {
		fields[name] = object
	}
}

func anyText(text *string) any { return *text }

// queryOf writes fields that have been checked as a query.
func queryOf(fields map[string]any) url.Values {
	query := url.Values{}
	for name, value := range fields {
		switch v := value.(type) {
		case string:
			query.Set(name, v)
		case json.Number:
			query.Set(name, v.String())
		case []any:
			for _, item := range v {
				query.Add(name, fmt.Sprint(item))
			}
		case map[string]any:
			for key, item := range v {
				query.Set(name+"["+key+"]", fmt.Sprint(item))
			}
		}
	}
	return query
}
