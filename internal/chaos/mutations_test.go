package chaos_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the root of the module, from this package.
const root = "../.."

// mutation is a fault that is built into the service to prove that the checker finds it: in file, from the
// root of the module, the line with old in it gets new instead.
type mutation struct {
	name           string
	file, old, new string
	finding        string // part of a violation that the checker has to report
}

const impossible = "no order of the calls for seat"

var mutations = []mutation{
	{
		name: "holds do not lock their seats",
		file: "internal/repository/hold.go",
		old:  "batch.Queue(lockSeatsForHold, request.ShowID, request.SeatIDs)", new: "_ = lockSeatsForHold",
		finding: impossible,
	},
	{
		name: "seat locks are released without comparing the token",
		file: "internal/seatlock/release.lua",
		old:  "if redis.call('GET', key) == ARGV[place] then", new: "if true then",
		finding: "is held and has lost its seat locks",
	},
	{
		name: "seats of a live hold can be held",
		file: "internal/repository/live.go",
		old:  "WHEN 'PENDING' THEN bookings.expires_at <= now()", new: "WHEN 'PENDING' THEN true",
		finding: impossible,
	},
	{
		name: "the cleanup ends live holds",
		file: "internal/repository/booking.go",
		old:  "WHERE status = 'PENDING' AND expires_at <= now()", new: "WHERE status = 'PENDING'",
		finding: impossible,
	},
	{
		name: "payments that were left open are not settled",
		file: "internal/service/payment_jobs.go",
		old:  "age := 2 * p.bookings.rules.ChargeTimeout", new: "age := 1_000_000 * p.bookings.rules.ChargeTimeout",
		finding: "payments are left created or refund_pending",
	},
	{
		name: "refunds are recorded without asking the provider",
		file: "internal/service/payment_jobs.go",
		old:  "return p.provider.Refund(ctx, attemptKey)", new: "return ctx.Err()",
		finding: "refund_is_made",
	},
}

// mutated returns the text of the file with the mutation.
func (m mutation) mutated(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		t.Fatalf("%s has %q %d times, want once", m.file, m.old, n)
	}
	return strings.Replace(string(text), m.old, m.new, 1)
}

// TestMutations_MatchTheCode keeps the mutations of `make chaos-proof` up to date.
func TestMutations_MatchTheCode(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.mutated(t)
		})
	}
}
