package chaos_test

import (
	"testing"
	"time"
)

// The model itself is held against histories whose verdict is known.
func TestTheModelTellsRightFromWrong(t *testing.T) {
	t.Parallel()
	const s = int64(time.Second)
	lock := func(booking, from, to int64) call {
		return call{kind: opLock, outcome: told, booking: booking, from: from * s, to: to * s, expiresAt: (to + 10) * s}
	}
	does := func(k kind, o outcome, booking, from, to int64) call {
		return call{kind: k, outcome: o, booking: booking, from: from * s, to: to * s}
	}
	read := func(status string, at int64) call {
		return call{kind: opRead, status: status, outcome: told, from: at * s, to: at*s + 1}
	}
	lost := call{kind: opLock, outcome: unknown, from: 1 * s, to: 2 * s}
	tests := map[string]struct {
		calls []call
		ok    bool
	}{
		"one after the other":                 {[]call{lock(1, 0, 1), does(opConfirm, told, 1, 2, 3), does(opCancel, told, 1, 4, 5), lock(2, 6, 7)}, true},
		"held twice":                          {[]call{lock(1, 0, 1), lock(2, 2, 3)}, false},
		"held twice at the same time":         {[]call{lock(1, 0, 3), lock(2, 1, 2)}, false},
		"taken when its time was over":        {[]call{lock(1, 0, 1), lock(2, 11, 12)}, true},
		"taken before its time was over":      {[]call{lock(1, 0, 1), lock(2, 9, 10)}, false},
		"confirmed when its time was over":    {[]call{lock(1, 0, 1), does(opConfirm, told, 1, 12, 13)}, false},
		"told over, and it was":               {[]call{lock(1, 0, 1), does(opConfirm, over, 1, 12, 13)}, true},
		"told over, and it was not":           {[]call{lock(1, 0, 1), does(opConfirm, over, 1, 2, 3)}, false},
		"confirmed twice is one":              {[]call{lock(1, 0, 1), does(opConfirm, told, 1, 2, 3), does(opConfirm, told, 1, 4, 5)}, true},
		"confirmed after it was cancelled":    {[]call{lock(1, 0, 1), does(opCancel, told, 1, 2, 3), does(opConfirm, told, 1, 4, 5)}, false},
		"sold twice":                          {[]call{lock(1, 0, 1), does(opConfirm, told, 1, 2, 3), lock(2, 30, 31)}, false},
		"a booking lost":                      {[]call{lock(1, 0, 1), does(opConfirm, told, 1, 2, 3), read("AVAILABLE", 40)}, false},
		"a cancel lost":                       {[]call{lock(1, 0, 1), does(opConfirm, told, 1, 2, 3), does(opCancel, told, 1, 4, 5), read("BOOKED", 40)}, false},
		"read at every stage":                 {[]call{read("AVAILABLE", 0), lock(1, 1, 2), read("LOCKED", 3), read("AVAILABLE", 13), read("AVAILABLE", 14)}, true},
		"a hold that reads available":         {[]call{lock(1, 0, 1), read("AVAILABLE", 5)}, false},
		"a lock without an answer, done":      {[]call{lost, read("LOCKED", 5)}, true},
		"a lock without an answer, not done":  {[]call{lost, lock(2, 5, 6), read("LOCKED", 7)}, true},
		"a confirm without an answer, done":   {[]call{lock(1, 0, 1), does(opConfirm, unknown, 1, 2, 3), read("BOOKED", 20)}, true},
		"a confirm without an answer, late":   {[]call{lock(1, 0, 1), does(opConfirm, unknown, 1, 12, 13), read("BOOKED", 20)}, false},
		"a cancel without an answer, done":    {[]call{lock(1, 0, 1), does(opCancel, unknown, 1, 2, 3), lock(2, 4, 5)}, true},
		"a cancel without an answer, not yet": {[]call{lock(1, 0, 1), does(opCancel, unknown, 1, 2, 3), read("LOCKED", 4)}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &history{}
			h.add(tt.calls...)
			broken, undecided, _ := h.check()
			if ok := len(broken) == 0; ok != tt.ok || len(undecided) > 0 {
				t.Errorf("judged possible: %t, want %t", ok, tt.ok)
			}
		})
	}
}
