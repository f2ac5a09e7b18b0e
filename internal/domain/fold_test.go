package domain_test

import (
	"testing"

	"evently/internal/domain"
)

func TestFold_SpellingsOfOneTextAreEqual(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string][2]string{
		"case":            {"Ada@Example.com", "ADA@EXAMPLE.COM"},
		"cyrillic":        {"Борис", "БОРИС"},
		"accent":          {"Café", "CAFÉ"},
		"composition":     {"Caf\u00e9", "CAFE\u0301"},
		"order of marks":  {"a\u0323\u0307", "A\u0307\u0323"},
		"sharp s":         {"Straße", "STRASSE"},
		"final sigma":     {"ΣΊΣΥΦΟΣ", "Σίσυφος"},
		"iota subscript":  {"\u1fb3\u0301", "\u0391\u0345\u0301"},
		"hangul syllable": {"\ud55c", "\u1112\u1161\u11ab"},
	} {
		if a, b := domain.Fold(texts[0]), domain.Fold(texts[1]); a != b {
			t.Errorf("%s: Fold(%+q) = %+q and Fold(%+q) = %+q, want the same", name, texts[0], a, texts[1], b)
		}
	}
}

func TestFold_IsIdempotent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "A", "İstanbul", "Straße", "\u1fb3\u0301", "ﬁn", "a\u0323\u0307"} {
		once := domain.Fold(text)
		if twice := domain.Fold(once); twice != once {
			t.Errorf("Fold(%+q) = %+q, folded again %+q", text, once, twice)
		}
	}
}

func TestFold_KeepsDifferentTextsApart(t *testing.T) {
	t.Parallel()
	if domain.Fold("cafe") == domain.Fold("café") {
		t.Error("an accent does not count")
	}
}
