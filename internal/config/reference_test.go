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

var update = flag.Bool("update", false, "write .env.example and docs/configuration.md")

func TestReference_IsGeneratedFromTheStruct(t *testing.T) {
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

func TestVariables_AreDocumented(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range config.Variables(&config.Config{}) {
		if v.Doc == "" || v.Section == "" {
			t.Errorf("%s has no doc or no section", v.Name)
		}
		if seen[v.Name] {
			t.Errorf("%s is a duplicate", v.Name)
		}
		seen[v.Name] = true
	}
}

func dotenv(variables []config.Variable) string {
	var b strings.Builder
	b.WriteString(`# Settings of Evently. Copy this file to .env and uncomment what you change; the environment of the
# process takes precedence. Values are the defaults, or examples if there is no default.
# Generated: go test ./internal/config -update
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
		"`.env` in the working directory. An empty variable counts as not set. The start fails with a list of all\n" +
		"invalid variables, and secrets are redacted wherever settings are printed.\n\n" +
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
