package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evently/internal/config"
)

var update = flag.Bool("update", false, "write .env.example and docs/configuration.md anew")

func TestTheReferenceIsThatOfTheStruct(t *testing.T) {
	t.Parallel()
	variables := config.Variables(&config.Config{})
	for path, want := range map[string]string{
		"../../.env.example":          dotenv(variables),
		"../../docs/configuration.md": reference(variables),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s differs from the struct; go test ./internal/config -update writes it (-want +got):\n%s", path, diff)
		}
	}
}

func TestEveryVariableIsDocumented(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range config.Variables(&config.Config{}) {
		if v.Doc == "" || v.Section == "" {
			t.Errorf("%s has no doc or no section", v.Name)
		}
		if seen[v.Name] {
			t.Errorf("%s is there twice", v.Name)
		}
		seen[v.Name] = true
	}
}

func dotenv(variables []config.Variable) string {
	var b strings.Builder
	b.WriteString(`# Settings of Evently. Copy this file to .env and uncomment what you change; a variable of the
# real environment wins over the file. What is commented out shows the default, or an example
# where there is none. Generated: go test ./internal/config -update
`)
	section := ""
	for _, v := range variables {
		if v.Section != section {
			section = v.Section
			fmt.Fprintf(&b, "\n# --- %s ---\n", section)
		}
		value := v.Default
		if value == "" {
			value = v.Example
		}
		fmt.Fprintf(&b, "# %s\n", v.Doc)
		if strings.ContainsAny(value, " #*") {
			value = `"` + value + `"`
		}
		fmt.Fprintf(&b, "#%s=%s\n", v.Name, value)
	}
	return b.String()
}

func reference(variables []config.Variable) string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n" +
		"Evently reads its settings from the environment and, for what is not set there, from an optional\n" +
		"`.env` in the working directory. A variable that is set to nothing counts as not set. Every fault is\n" +
		"named at once when the process starts, and secrets are hidden wherever settings are shown.\n\n" +
		"<!-- Generated from internal/config: go test ./internal/config -update -->\n")
	section := ""
	for _, v := range variables {
		if v.Section != section {
			section = v.Section
			fmt.Fprintf(&b, "\n## %s\n\n| Variable | Default | Values | Meaning |\n|---|---|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, code(v.Default), v.Bounds(), v.Doc)
	}
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
