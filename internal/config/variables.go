package config

import (
	"fmt"
	"log/slog"
	"reflect"
	"strings"
)

// Variable is one variable of the environment and the field that it sets.
type Variable struct {
	Name    string
	Section string // heading in the reference
	Default string
	Example string // shown in .env.example if there is no default
	Doc     string

	field string
	tag   reflect.StructTag
	value reflect.Value
}

// Variables lists the variables of c in the order of its fields.
func Variables(c *Config) []Variable {
	var list []Variable
	config := reflect.ValueOf(c).Elem()
	for i := range config.NumField() {
		section := config.Field(i)
		for j := range section.NumField() {
			field := section.Type().Field(j)
			name, ok := field.Tag.Lookup("env")
			if !ok {
				continue
			}
			list = append(list, Variable{
				Name:    name,
				Section: config.Type().Field(i).Tag.Get("doc"),
				Default: field.Tag.Get("envDefault"),
				Example: field.Tag.Get("example"),
				Doc:     field.Tag.Get("doc"),
				field:   field.Name,
				tag:     field.Tag,
				value:   section.Field(j),
			})
		}
	}
	return list
}

// Bounds returns the range or the values of a variable in words, or "".
func (v Variable) Bounds() string {
	if low := v.tag.Get("min"); low != "" {
		return low + " to " + v.tag.Get("max")
	}
	return strings.ReplaceAll(v.tag.Get("oneof"), ",", ", ")
}

// LogValue returns every variable, without secrets.
func (c *Config) LogValue() slog.Value {
	variables := Variables(c)
	attrs := make([]slog.Attr, len(variables))
	for i, v := range variables {
		attrs[i] = slog.String(v.Name, fmt.Sprint(v.value.Interface()))
	}
	return slog.GroupValue(attrs...)
}
