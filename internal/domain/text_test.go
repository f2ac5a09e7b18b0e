package domain_test

import (
	"strings"
	"testing"

	"evently/internal/domain"
)

func TestText_NormalizedOrRefused(t *testing.T) {
	t.Parallel()
	const refused = "\x00"
	for name, c := range map[string]struct{ in, line, lines, label string }{
		"plain":                      {"Hall 1", "Hall 1", "Hall 1", "Hall 1"},
		"empty":                      {"", "", "", ""},
		"only spaces":                {" \t\u00a0\u3000\n", "", "", ""},
		"spaces around":              {" \u00a0A \n", "A", "A", "A"},
		"spaces inside":              {"A  B", "A  B", "A  B", "A  B"},
		"decomposed":                 {"Cafe\u0301", "Caf\u00e9", "Caf\u00e9", "Caf\u00e9"},
		"Angstrom sign":              {"\u212b", "\u00c5", "\u00c5", "\u00c5"},
		"compatibility form":         {"\uff21", "\uff21", "\uff21", "\uff21"},
		"right to left letters":      {"\u05d0\u05d1", "\u05d0\u05d1", "\u05d0\u05d1", "\u05d0\u05d1"},
		"Arabic year sign":           {"\u0601\u0661", "\u0601\u0661", "\u0601\u0661", "\u0601\u0661"},
		"not UTF-8":                  {"\xff", refused, refused, refused},
		"NUL":                        {"a\x00b", refused, refused, refused},
		"tab":                        {"a\tb", refused, refused, refused},
		"escape":                     {"a\x1bb", refused, refused, refused},
		"C1 control":                 {"a\u0080b", refused, refused, refused},
		"line feed":                  {"a\nb", refused, "a\nb", refused},
		"carriage return, line feed": {"a\r\nb", refused, "a\r\nb", refused},
		"carriage return":            {"a\rb", refused, refused, refused},
		"line separator":             {"a\u2028b", refused, refused, refused},
		"paragraph separator":        {"a\u2029b", refused, refused, refused},
		"zero-width space":           {"A\u200b", refused, refused, refused},
		"zero-width space inside":    {"A\u200bB", refused, refused, refused},
		"word joiner":                {"A\u2060B", refused, refused, refused},
		"byte order mark":            {"\ufeffA", refused, refused, refused},
		"soft hyphen":                {"A\u00adB", refused, refused, refused},
		"left-to-right mark":         {"A\u200e", refused, refused, refused},
		"right-to-left override":     {"\u202eA", refused, refused, refused},
		"isolate":                    {"\u2066A\u2069", refused, refused, refused},
		"Arabic letter mark":         {"A\u061cB", refused, refused, refused},
		"grapheme joiner":            {"A\u034fB", refused, refused, refused},
		"Hangul filler":              {"\u3164", refused, refused, refused},
		"tag":                        {"A\U000e0041", refused, refused, refused},
		"braille blank":              {"\u2800", refused, refused, refused},
		"combining mark alone":       {"\u0301", refused, refused, refused},
		"ZWNJ between letters":       {"می\u200cخواهم", "می\u200cخواهم", "می\u200cخواهم", refused},
		"ZWJ in an emoji":            {"👩\u200d🎤", "👩\u200d🎤", "👩\u200d🎤", refused},
		"ZWJ after a selector":       {"❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥", refused},
		"variation selector":         {"❤\ufe0f", "❤\ufe0f", "❤\ufe0f", refused},
		"ZWJ alone":                  {"\u200d", refused, refused, refused},
		"ZWJ at the start":           {"\u200dA", refused, refused, refused},
		"ZWJ at the end":             {"A\u200d", refused, refused, refused},
		"ZWJ beside a space":         {"A \u200dB", refused, refused, refused},
		"two joiners":                {"A\u200c\u200dB", refused, refused, refused},
		"variation selector first":   {"\ufe0fA", refused, refused, refused},
		"two variation selectors":    {"❤\ufe0f\ufe0f", refused, refused, refused},
	} {
		for form, f := range map[string]struct {
			normalize func(string) (string, error)
			want      string
		}{"Line": {domain.Line, c.line}, "Lines": {domain.Lines, c.lines}, "Label": {domain.Label, c.label}} {
			got, err := f.normalize(c.in)
			if err != nil {
				got = refused
			}
			if got != f.want {
				t.Errorf("%s: %s(%+q) = %+q, %v, want %+q", name, form, c.in, got, err, f.want)
			}
		}
	}
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"Hall", " Cafe\u0301 ", "A\u200d", "a\r\nb", "❤\ufe0f\u200d🔥", "\xff", "\u0301\u0323", "\u2000\u0301"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, normalize := range []func(string) (string, error){domain.Line, domain.Lines, domain.Label} {
			got, err := normalize(text)
			if err != nil {
				continue
			}
			if again, err := normalize(got); err != nil || again != got {
				t.Errorf("%+q is normalized to %+q, and that to %+q, %v", text, got, again, err)
			}
			if strings.TrimSpace(got) != got {
				t.Errorf("%+q is not trimmed", got)
			}
		}
	})
}
