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
	name  string
	edits []edit
	// says is part of what the checker has to complain of.
	says string
}

// edit is one change of the code: file, from the root, has old in it once; new takes its place.
type edit struct{ file, old, new string }

const (
	holdSQL    = "internal/repository/hold_seats.go"
	freeSQL    = "internal/repository/hold_free_seats.go"
	impossible = "there is no way that all of this was told of seat"
)

var mutations = []mutation{
	{
		name: "the row locks on the seats are gone", says: impossible,
		edits: []edit{
			{file: holdSQL, old: "ORDER BY seat_id\n\t\t\tFOR UPDATE\n", new: "ORDER BY seat_id\n"},
			{file: freeSQL, old: "ORDER BY seat_id\n\t\t\t          FOR UPDATE\n", new: "ORDER BY seat_id\n"},
		},
	},
	{
		name: "seats are released by DEL, whoever has them", says: "is held and has lost its seat locks",
		edits: []edit{{
			file: "internal/seatlock/give.lua",
			old:  "if redis.call('GET', KEYS[at]) == token then", new: "if true then",
		}},
	},
	{
		name: "a hold can be taken over before its end", says: impossible,
		edits: []edit{{
			file: holdSQL,
			old:  "CASE status WHEN 'PENDING' THEN expires_at <= now() ELSE false END`", new: "status = 'PENDING'`",
		}},
	},
	{
		name: "the cleanup ends holds before their end", says: impossible,
		edits: []edit{{
			file: "internal/repository/expire_bookings.go",
			old:  "WHERE status = 'PENDING' AND expires_at <= now()\n\t\tORDER BY", new: "WHERE status = 'PENDING'\n\t\tORDER BY",
		}},
	},
}

// mutated gives the text of the file with the change in it.
func (e edit) mutated(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), e.old); n != 1 {
		t.Fatalf("%d places in %s have %q, want 1", n, e.file, e.old)
	}
	return strings.Replace(string(text), e.old, e.new, 1)
}

// What the proof of the checker changes is still there to be changed: make chaos-proof does it.
func TestTheMutationsFitTheCode(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, e := range m.edits {
				e.mutated(t)
			}
		})
	}
}
