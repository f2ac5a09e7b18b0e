package service_test

import (
	"strings"
	"testing"

	"evently/internal/service"
)

func TestEmailHash_IsOfTheAccountAndTheSecret(t *testing.T) {
	t.Parallel()
	one, err := service.NewEmailHash("a secret of thirty-two bytes, or more")
	if err != nil {
		t.Fatal(err)
	}
	other, err := service.NewEmailHash("another secret of thirty-two bytes")
	if err != nil {
		t.Fatal(err)
	}
	hash := one("jo@example.com")
	if len(hash) != 32 || strings.Contains(hash, "@") {
		t.Errorf("the hash is %q", hash)
	}
	if one(" Jo@Example.com ") != hash {
		t.Error("spellings of one account differ")
	}
	if one("jo@example.org") == hash || other("jo@example.com") == hash {
		t.Error("other emails or secrets have the same hash")
	}
}
