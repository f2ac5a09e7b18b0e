package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestCommands_HaveSummaryAndExample(t *testing.T) {
	t.Parallel()
	usage := true
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		switch {
		case c.Name() == "completion" || c.Name() == "help" || c.IsAdditionalHelpTopicCommand(): // of cobra, or no command
			return
		case c.Short == "" || !strings.Contains(c.Example, "evently"):
			t.Errorf("%s has no summary or no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			_, command, ok := strings.Cut(line, "evently")
			if !ok {
				t.Errorf("%s: the example %q has no command", c.CommandPath(), line)
			}
			args := strings.Fields(strings.SplitN(command, "   ", 2)[0])
			if strings.HasPrefix(command, ":") || strings.HasPrefix(command, "/") { // within a setting or a path
				continue
			}
			if found, _, err := newRootCommand(&usage).Find(args); err != nil || found == nil {
				t.Errorf("%s: the example %q is not a command: %v", c.CommandPath(), line, err)
			}
		}
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(newRootCommand(&usage))
}

func TestCompletion_KnowsTheCommands(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, errOut := evently(t, "", nil, "completion", shell); code != exitOK || !strings.Contains(out, "evently") {
			t.Errorf("%s: exit code %d, %s", shell, code, errOut)
		}
	}
	code, out, _ := evently(t, "", nil, "__complete", "migrate", "")
	for _, want := range []string{"up\t", "down\t", "status\t", "reset\t"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("migrate completes to %s", out)
		}
	}
}
