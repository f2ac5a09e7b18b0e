package opstest

import (
	"testing"

	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
