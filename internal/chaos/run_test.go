//go:build long

package chaos_test

import (
	"testing"
)

// TestChaos_SeatsAndMoneyStayConsistent is described in docs/reliability.md.
func TestChaos_SeatsAndMoneyStayConsistent(t *testing.T) {
	t.Parallel()
	v := chaos(t, builtOrFail(t))
	for _, text := range v.report {
		t.Log(text)
	}
	for _, text := range v.violations {
		t.Error(text)
	}
}
