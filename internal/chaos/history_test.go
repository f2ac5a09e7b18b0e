package chaos_test

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// kind is what a client asked of a seat.
type kind string

const (
	opLock     kind = "lock"
	opSameHold kind = "same hold" // a lock that returned a hold that it had returned before
	opConfirm  kind = "confirm"
	opCancel   kind = "cancel"
	opRead     kind = "read"
)

// outcome is what the response said.
type outcome string

const (
	done    outcome = "done"
	ended   outcome = "ended"   // the booking is cancelled or expired
	unknown outcome = "unknown" // no response: it may have been done, may not, may still be
)

// call is one request for one seat: a request for several seats is one call for each.
type call struct {
	kind      kind
	seat      int64
	booking   int64  // 0: unknown
	expiresAt int64  // ns; of a lock that was done
	status    string // of a read
	outcome   outcome
	from, to  int64 // ns
	early     int64 // ns; by how much a read may show a hold as expired too early
}

func (c call) String() string {
	text := fmt.Sprintf("%s seat %d", c.kind, c.seat)
	if c.booking != 0 {
		text += fmt.Sprintf(" booking %d", c.booking)
	}
	if c.kind == opRead {
		return text + " " + c.status
	}
	if c.expiresAt != 0 {
		text += " until " + clock(c.expiresAt)
	}
	return text + " " + string(c.outcome)
}

func clock(ns int64) string { return time.Unix(0, ns).UTC().Format("15:04:05.000000") }

// history collects the calls of all clients.
type history struct {
	mu    sync.Mutex
	calls []call
}

func (h *history) add(calls ...call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, calls...)
}

// seat is a state of the model: available, held or booked by a booking.
type seat struct {
	booking   int64
	expiresAt int64 // ns, of a hold; 0: unknown, so any time
	booked    bool
}

// slack allows for times that are rounded to microseconds.
const slack = int64(time.Millisecond)

// heldIn reports whether the seat may have been held at some time of the call.
func (s seat) heldIn(c call) bool {
	return s.booking != 0 && !s.booked && (s.expiresAt == 0 || c.from <= s.expiresAt+slack)
}

// expiredIn reports whether the hold may have been expired at some time of the call.
func (s seat) expiredIn(c call) bool {
	return s.booking != 0 && !s.booked && c.to+c.early >= s.expiresAt-slack
}

// step returns the states to which a call may lead; none means that the call is impossible in s.
func step(s seat, c call) []seat {
	available := s.booking == 0 || s.expiredIn(c)
	own := s.booking == c.booking && s.booking != 0
	switch {
	case c.kind == opRead:
		ok := map[string]bool{"AVAILABLE": available, "LOCKED": s.heldIn(c), "BOOKED": s.booked}[c.status]
		return when(ok, s)
	case c.kind == opLock && c.outcome == done:
		return when(available, seat{booking: c.booking, expiresAt: c.expiresAt})
	case c.kind == opLock: // unknown
		if available {
			return []seat{s, {booking: -1}}
		}
		return []seat{s}
	case c.kind == opSameHold:
		return when(own && s.heldIn(c) && s.expiresAt == c.expiresAt, s)
	case c.kind == opConfirm && c.outcome == done:
		return when(own && (s.booked || s.heldIn(c)), seat{booking: c.booking, booked: true})
	case c.kind == opConfirm && c.outcome == unknown:
		if own && s.heldIn(c) {
			return []seat{s, {booking: c.booking, booked: true}}
		}
		return []seat{s}
	case c.kind == opCancel && c.outcome == done:
		return when(own && (s.booked || s.heldIn(c)), seat{})
	case c.kind == opCancel && c.outcome == unknown:
		if own {
			return []seat{s, {}}
		}
		return []seat{s}
	default: // ended
		return when(!own || s.expiredIn(c), s)
	}
}

func when(ok bool, s seat) []seat {
	if !ok {
		return nil
	}
	return []seat{s}
}

// model returns step as a model for porcupine.
func model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{seat{}} },
		Step: func(state, input, _ any) []any {
			next := []any{}
			for _, s := range step(state.(seat), input.(call)) {
				next = append(next, s)
			}
			return next
		},
		Equal:             func(a, b any) bool { return a == b },
		DescribeOperation: func(input, _ any) string { return input.(call).String() },
	}
	return m.ToModel()
}

// checkTimeout bounds the search for an order of one seat's calls.
const checkTimeout = 30 * time.Second

// check searches, seat by seat, for an order in which the calls are possible one after the other. A call
// with an unknown outcome may have been executed at any time until the end. It returns the seats without
// such an order, and those for which the search timed out.
func (h *history) check() (impossible, undecided []int64, explain func(seat int64) string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	bySeat := map[int64][]call{}
	end := int64(0)
	for _, c := range h.calls {
		bySeat[c.seat] = append(bySeat[c.seat], c)
		end = max(end, c.to)
	}
	m := model()
	for id, calls := range bySeat {
		operations := make([]porcupine.Operation, len(calls))
		for i, c := range calls {
			if c.outcome == unknown {
				c.to = end + 1
			}
			operations[i] = porcupine.Operation{ClientId: i, Input: c, Call: c.from, Return: c.to}
		}
		switch porcupine.CheckOperationsTimeout(m, operations, checkTimeout) {
		case porcupine.Illegal:
			impossible = append(impossible, id)
		case porcupine.Unknown:
			undecided = append(undecided, id)
		}
	}
	return impossible, undecided, func(id int64) string {
		calls := bySeat[id]
		slices.SortFunc(calls, func(a, b call) int { return int(a.from - b.from) })
		text := ""
		for _, c := range calls {
			text += fmt.Sprintf("  %s to %s  %s\n", clock(c.from), clock(c.to), c)
		}
		return text
	}
}
