package commonpasswords_test

import (
	"testing"

	"evently/internal/commonpasswords"
	"evently/internal/domain"
)

func TestRead_ListIsWhole(t *testing.T) {
	t.Parallel()
	common, err := commonpasswords.Read()
	if err != nil || len(common) != 10_000 || !common["password"] || !common["trustno1"] {
		t.Fatalf("%d passwords, %v", len(common), err)
	}
	for password := range common {
		if len(password) < domain.MinPassword {
			t.Errorf("%q is shorter than any password", password)
		}
	}
}
