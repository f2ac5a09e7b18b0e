package chaos_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evently/internal/testkit"
)

// verdict is what is left to say when all is over.
type verdict struct {
	violations []string
	report     []string // the numbers
}

func (v *verdict) violated(format string, args ...any) {
	v.violations = append(v.violations, fmt.Sprintf(format, args...))
}

func (v *verdict) tell(format string, args ...any) {
	v.report = append(v.report, fmt.Sprintf(format, args...))
}

// restLimit is how long the last holds may take to end.
const restLimit = time.Minute

// rest waits until every hold has ended and every seat lock has run out.
func rest(t *testing.T, locks *lockWatch) {
	t.Helper()
	pause(t.Context(), holdFor)
	for deadline := time.Now().Add(restLimit); time.Now().Before(deadline); pause(t.Context(), 100*time.Millisecond) {
		left, err := locks.client.Keys(t.Context(), "seat_lock:*").Result()
		if err == nil && len(left) == 0 && testkit.Value[int](t, locks.pool, `SELECT count(*) FROM bookings WHERE status = 'PENDING'`) == 0 {
			return
		}
	}
}

// judge looks at everything that was told, and at what is left.
func judge(t *testing.T, h *house, c *crowd, breaking *faults, locks *lockWatch) verdict {
	t.Helper()
	var v verdict
	rest(t, locks)
	for _, s := range c.shows {
		if !c.clients[0].read(s) {
			v.violated("the seats of show %d cannot be read", s.id)
		}
	}
	if left, err := locks.client.Keys(t.Context(), "seat_lock:*").Result(); err != nil || len(left) > 0 {
		v.violated("seat locks that do not end: %v %v", left, err)
	}
	began := time.Now()
	broken, undecided, explain := c.history.check()
	v.tell("checked %d calls for %d seats in %s", len(c.history.calls), shows*rowsOfShow*seatsOfRow, time.Since(began).Round(time.Millisecond))
	slices.Sort(broken)
	for n, seat := range broken {
		if v.violated("there is no way that all of this was told of seat %d", seat); n == 0 {
			v.tell("\n%s", explain(seat))
		}
	}
	for _, seat := range undecided {
		v.violated("no verdict on seat %d in %s", seat, checkTimeout)
	}
	v.violations = append(v.violations, locks.gone...)
	v.violations = append(v.violations, c.wrong.texts...)
	audited, err := h.audit()
	if err != nil {
		v.violated("audit: %v\n%s", err, audited)
	}
	for _, i := range h.all {
		log := i.log()
		for _, sign := range []string{"DATA RACE", `"msg":"panic"`, "\npanic: ", "\nfatal error: "} {
			if _, after, found := strings.Cut(log, sign); found {
				v.violated("instance %d: %s%s", i.number, sign, after[:min(len(after), 4000)])
			}
		}
	}

	kinds := make([]string, 0, len(breaking.counts))
	total := 0
	for kind, n := range breaking.counts {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
		total += n
	}
	slices.Sort(kinds)
	done := map[string]int{}
	for _, one := range c.history.calls {
		done[string(one.kind)+" "+string(one.outcome)]++
	}
	v.tell("calls: %d operations in %d requests, %d replayed, %d of them repeats of what was done; by seat: %v",
		c.counts.operations.Load(), c.counts.requests.Load(), c.counts.replays.Load(), c.counts.repeats.Load(), done)
	v.tell("faults: %d (%s); one clock %s ahead throughout", total, strings.Join(kinds, ", "), skew)
	v.tell("unknown outcomes: %d requests without an answer, %d operations never resolved", c.counts.unknowns.Load(), c.counts.unresolved.Load())
	v.tell("seat locks: looked at %d times", locks.looks)
	v.tell("audit: %s", strings.TrimSpace(audited))
	v.tell("violations: %d", len(v.violations))
	return v
}
