package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"evently/internal/config"
)

// newConfigHelp returns the help topic of `evently help config`, the reference of all settings.
func newConfigHelp() *cobra.Command {
	return &cobra.Command{Use: "config", Short: "The settings, and their defaults", Long: configReference()}
}

func configReference() string {
	var b strings.Builder
	b.WriteString("Settings come from the environment and, for what is not set there, from an optional .env in the working directory.\n" +
		"An empty variable counts as not set.\n")
	section := ""
	for _, v := range config.Variables(&config.Config{}) {
		if v.Section != section {
			section = v.Section
			fmt.Fprintf(&b, "\n%s\n", strings.ToUpper(section))
		}
		fmt.Fprintf(&b, "\n  %s", v.Name)
		if v.Default != "" {
			fmt.Fprintf(&b, "=%s", v.Default)
		}
		if bounds := v.Bounds(); bounds != "" {
			fmt.Fprintf(&b, "   (%s)", bounds)
		}
		fmt.Fprintf(&b, "\n      %s\n", wrap(v.Doc, 110, "\n      "))
	}
	return b.String()
}

// wrap breaks text between words, so that a line has at most width bytes unless a word alone has more.
func wrap(text string, width int, lineBreak string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteString(lineBreak)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// noArgs is cobra.NoArgs with a guess at what was meant.
func noArgs(cmd *cobra.Command, args []string) error {
	err := cobra.NoArgs(cmd, args)
	if err == nil {
		return nil
	}
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
		return fmt.Errorf("%w. Did you mean %s?", err, strings.Join(names, " or "))
	}
	return err
}

// requireFlags is ValidateRequiredFlags with the names as they are typed.
func requireFlags(cmd *cobra.Command) error {
	if cmd.ValidateRequiredFlags() == nil {
		return nil
	}
	var missing []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, required := f.Annotations[cobra.BashCompOneRequiredFlag]; required && !f.Changed {
			missing = append(missing, "--"+f.Name)
		}
	})
	return errors.New(strings.Join(missing, ", ") + " is missing")
}
