package chaos_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the root of the module, from this package.
const root = "../.."

// mutation is a fault that is built into the service, to see the checker find it.
type mutation struct {
	name string
	// file, from the root, has old in it once; new takes its place.
	file, old, new string
	// says is part of what the checker has to complain of.
	says string
}

const (
	holdSQL    = "internal/repository/hold_seats.go"
	impossible = "there is no way that all of this was told of seat"
)

var mutations = []mutation{
	{
		name: "the row lock on the seats is gone", file: holdSQL,
		old: "ORDER BY seat_id\n\t\t\tFOR UPDATE\n", new: "ORDER BY seat_id\n", says: impossible,
	},
	{
		name: "seats are released by DEL, whoever has them", file: "internal/seatlock/release.lua",
		old: "if redis.call('GET', key) == ARGV[1] then", new: "if true then", says: "is held and has lost its seat locks",
	},
	{
		name: "a hold can be taken over before its end", file: holdSQL,
		old: "CASE status WHEN 'PENDING' THEN expires_at <= now() ELSE false END`", new: "status = 'PENDING'`", says: impossible,
	},
	{
		name: "the cleanup ends holds before their end", file: "internal/repository/expire_bookings.go",
		old: "WHERE status = 'PENDING' AND expires_at <= now()\n\t\tORDER BY", new: "WHERE status = 'PENDING'\n\t\tORDER BY", says: impossible,
	},
}

// mutated gives the text of the file with the mutation in it.
func (m mutation) mutated(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		t.Fatalf("%s: %d places in %s have %q, want 1", m.name, n, m.file, m.old)
	}
	return strings.Replace(string(text), m.old, m.new, 1)
}

// What the proof of the checker changes is still there to be changed: make chaos-proof does it.
func TestTheMutationsFitTheCode(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		m.mutated(t)
	}
}
