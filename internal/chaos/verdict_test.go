package chaos_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evently/internal/testkit"
)

// verdict is what a run found.
type verdict struct {
	violations []string
	report     []string
}

func (v *verdict) violated(format string, args ...any) {
	v.violations = append(v.violations, fmt.Sprintf(format, args...))
}

func (v *verdict) note(format string, args ...any) {
	v.report = append(v.report, fmt.Sprintf(format, args...))
}

const (
	// longRun is a run that must have hit everything that it is for.
	longRun = time.Minute
	// restLimit bounds the wait for the last holds to expire and the last payments to be settled. An attempt
	// that was never charged is given up after 20 charge timeouts.
	restLimit = 90 * time.Second
)

// rest waits until every hold has ended, every seat lock has expired, and every payment is settled or
// refunded. What is left after restLimit is for judge to find.
func rest(t *testing.T, c *cluster, locks *lockWatch) {
	t.Helper()
	pause(t.Context(), holdFor)
	for deadline := time.Now().Add(restLimit); time.Now().Before(deadline); pause(t.Context(), 100*time.Millisecond) {
		left, err := locks.client.Keys(t.Context(), "seat_lock:*").Result()
		if err == nil && len(left) == 0 &&
			testkit.Value[int](t, c.pool, `SELECT count(*) FROM bookings WHERE status = 'PENDING'`) == 0 &&
			testkit.Value[int](t, c.pool, openPayments) == 0 {
			return
		}
	}
}

// judge checks the history, and what is left in the stores.
func judge(t *testing.T, c *cluster, l *load, f *faults, locks *lockWatch) verdict {
	t.Helper()
	var v verdict
	atRest := time.Now()
	rest(t, c, locks)
	v.note("at rest after %s", time.Since(atRest).Round(100*time.Millisecond))
	for _, s := range l.shows {
		if !l.clients[0].read(s) {
			v.violated("the seats of show %d cannot be read", s.id)
		}
	}
	if left, err := locks.client.Keys(t.Context(), "seat_lock:*").Result(); err != nil || len(left) > 0 {
		v.violated("seat locks that do not expire: %v %v", left, err)
	}
	judgeHistory(&v, l.history)
	judgePayments(t, &v, c, l.payments, f.charges)
	v.violations = append(v.violations, locks.lost...)
	v.violations = append(v.violations, l.findings.texts...)
	audited, err := c.audit()
	if err != nil {
		v.violated("audit: %v\n%s", err, audited)
	}
	for _, i := range c.all {
		log := i.log()
		for _, sign := range []string{"DATA RACE", `"msg":"panic"`, "\npanic: ", "\nfatal error: "} {
			if _, after, found := strings.Cut(log, sign); found {
				v.violated("instance %d: %s%s", i.number, sign, after[:min(len(after), 4000)])
			}
		}
	}
	v.reportCounts(l, f)
	v.note("seat locks: polled %d times", locks.polls)
	v.note("audit: %s", strings.TrimSpace(audited))
	v.note("violations: %d", len(v.violations))
	return v
}

func judgeHistory(v *verdict, h *history) {
	began := time.Now()
	impossible, undecided, explain := h.check()
	v.note("checked %d calls for %d seats in %s", len(h.calls), shows*rowsOfShow*seatsOfRow, time.Since(began).Round(time.Millisecond))
	slices.Sort(impossible)
	for n, seat := range impossible {
		if v.violated("no order of the calls for seat %d is possible", seat); n == 0 {
			v.note("\n%s", explain(seat))
		}
	}
	for _, seat := range undecided {
		v.violated("no verdict on seat %d in %s", seat, checkTimeout)
	}
}

func (v *verdict) reportCounts(l *load, f *faults) {
	kinds := make([]string, 0, len(f.counts))
	total := 0
	for kind, n := range f.counts {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
		total += n
	}
	slices.Sort(kinds)
	outcomes := map[string]int{}
	for _, one := range l.history.calls {
		outcomes[string(one.kind)+" "+string(one.outcome)]++
	}
	s := l.stats
	v.note("calls: %d operations in %d requests, %d replayed, %d of them repeats of successful ones; by seat: %v",
		s.operations.Load(), s.requests.Load(), s.replays.Load(), s.repeats.Load(), outcomes)
	v.note("clients: %d same holds, %d refusals with held_by_you, %d refused requests retried with their key, %d declined cards, %d payments sent twice at once, %d acknowledged",
		s.sameHold.Load(), s.heldByYou.Load(), s.retriedRefusals.Load(), s.declined.Load(), s.paidTwice.Load(), len(l.payments.bookings))
	v.note("faults: %d (%s); one clock %s ahead throughout", total, strings.Join(kinds, ", "), skew)
	v.note("unknown outcomes: %d requests without a response, %d operations never resolved", s.unanswered.Load(), s.unresolved.Load())
}
