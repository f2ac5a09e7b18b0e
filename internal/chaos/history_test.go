package chaos_test

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// kind is what somebody asked of a seat.
type kind string

const (
	opLock    kind = "lock"
	opConfirm kind = "confirm"
	opCancel  kind = "cancel"
	opRead    kind = "read"
)

// outcome is what they were told.
type outcome string

const (
	told    outcome = "done"    // it was done
	over    outcome = "over"    // the booking is cancelled or its time is over
	unknown outcome = "unknown" // no answer: it may have been done, may not, may yet be
)

// call is one call for one seat: a call for several is one of these for each.
type call struct {
	kind      kind
	seat      int64
	booking   int64  // 0: unknown
	expiresAt int64  // ns; of a lock that was done
	status    string // of a read
	outcome   outcome
	from, to  int64 // ns
}

// String is how a call is shown when the history cannot be.
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

// history takes the calls of all clients.
type history struct {
	mu    sync.Mutex
	calls []call
}

func (h *history) add(calls ...call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, calls...)
}

// seat is the state of the model: free, held or booked, and for whom.
type seat struct {
	booking   int64
	expiresAt int64 // of a hold, ns; 0: unknown, so any time
	booked    bool
}

// slack is for times that are rounded to microseconds on the way.
const slack = int64(time.Millisecond)

// heldIn tells whether a hold may have been alive at some time of a call, and overIn whether its
// time may have been over. All clocks here are those of one machine.
func (s seat) heldIn(c call) bool {
	return s.booking != 0 && !s.booked && (s.expiresAt == 0 || c.from <= s.expiresAt+slack)
}
func (s seat) overIn(c call) bool { return s.booking != 0 && !s.booked && c.to >= s.expiresAt-slack }

// step gives the states that a call may lead to; none means that it could not have been so.
func step(s seat, c call) []seat {
	free := s.booking == 0 || s.overIn(c)
	mine := s.booking == c.booking && s.booking != 0
	switch {
	case c.kind == opRead:
		ok := map[string]bool{"AVAILABLE": free, "LOCKED": s.heldIn(c), "BOOKED": s.booked}[c.status]
		return when(ok, s)
	case c.kind == opLock && c.outcome == told:
		return when(free, seat{booking: c.booking, expiresAt: c.expiresAt})
	case c.kind == opLock: // unknown
		if free {
			return []seat{s, {booking: -1}}
		}
		return []seat{s}
	case c.kind == opConfirm && c.outcome == told:
		return when(mine && (s.booked || s.heldIn(c)), seat{booking: c.booking, booked: true})
	case c.kind == opConfirm && c.outcome == unknown:
		if mine && s.heldIn(c) {
			return []seat{s, {booking: c.booking, booked: true}}
		}
		return []seat{s}
	case c.kind == opCancel && c.outcome == told:
		return when(mine && (s.booked || s.heldIn(c)), seat{})
	case c.kind == opCancel && c.outcome == unknown:
		if mine {
			return []seat{s, {}}
		}
		return []seat{s}
	default: // told that the booking is no more
		return when(!mine || s.overIn(c), s)
	}
}

func when(ok bool, s seat) []seat {
	if !ok {
		return nil
	}
	return []seat{s}
}

// model is a seat as porcupine wants it.
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

// check looks, seat by seat, for an order in which the calls could have happened one after the
// other. What has no known outcome may have happened at any time until the end. It gives the seats
// for which there is no such order, and those for which none was found in time.
func (h *history) check() (broken, undecided []int64, explain func(seat int64) string) {
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
			broken = append(broken, id)
		case porcupine.Unknown:
			undecided = append(undecided, id)
		}
	}
	return broken, undecided, func(id int64) string {
		calls := bySeat[id]
		slices.SortFunc(calls, func(a, b call) int { return int(a.from - b.from) })
		text := ""
		for _, c := range calls {
			text += fmt.Sprintf("  %s to %s  %s\n", clock(c.from), clock(c.to), c)
		}
		return text
	}
}
