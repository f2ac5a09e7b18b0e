package chaos_test

import (
	"testing"
	"time"
)

func TestModel_JudgesKnownHistories(t *testing.T) {
	t.Parallel()
	const s = int64(time.Second)
	lock := func(booking, from, to int64) call {
		return call{kind: opLock, outcome: done, booking: booking, from: from * s, to: to * s, expiresAt: (to + 10) * s}
	}
	sameHold := func(of call, from, to int64) call {
		return call{kind: opSameHold, outcome: done, booking: of.booking, from: from * s, to: to * s, expiresAt: of.expiresAt}
	}
	does := func(k kind, o outcome, booking, from, to int64) call {
		return call{kind: k, outcome: o, booking: booking, from: from * s, to: to * s}
	}
	read := func(status string, at int64) call {
		return call{kind: opRead, status: status, outcome: done, from: at * s, to: at*s + 1}
	}
	first := lock(1, 0, 1)
	lost := call{kind: opLock, outcome: unknown, from: 1 * s, to: 2 * s}
	tests := map[string]struct {
		calls    []call
		possible bool
	}{
		"one after the other":          {[]call{first, does(opConfirm, done, 1, 2, 3), does(opCancel, done, 1, 4, 5), lock(2, 6, 7)}, true},
		"held twice":                   {[]call{first, lock(2, 2, 3)}, false},
		"held twice at the same time":  {[]call{lock(1, 0, 3), lock(2, 1, 2)}, false},
		"held again after expiry":      {[]call{first, lock(2, 11, 12)}, true},
		"held again before expiry":     {[]call{first, lock(2, 9, 10)}, false},
		"same hold":                    {[]call{first, sameHold(first, 2, 3), does(opConfirm, done, 1, 4, 5)}, true},
		"same hold after expiry":       {[]call{first, sameHold(first, 12, 13)}, false},
		"same hold after cancel":       {[]call{first, does(opCancel, done, 1, 2, 3), sameHold(first, 4, 5)}, false},
		"same hold after confirm":      {[]call{first, does(opConfirm, done, 1, 2, 3), sameHold(first, 4, 5)}, false},
		"same hold with another end":   {[]call{first, sameHold(lock(1, 2, 3), 2, 3)}, false},
		"confirmed after expiry":       {[]call{first, does(opConfirm, done, 1, 12, 13)}, false},
		"refused after expiry":         {[]call{first, does(opConfirm, ended, 1, 12, 13)}, true},
		"refused before expiry":        {[]call{first, does(opConfirm, ended, 1, 2, 3)}, false},
		"confirmed twice":              {[]call{first, does(opConfirm, done, 1, 2, 3), does(opConfirm, done, 1, 4, 5)}, true},
		"confirmed after cancel":       {[]call{first, does(opCancel, done, 1, 2, 3), does(opConfirm, done, 1, 4, 5)}, false},
		"sold twice":                   {[]call{first, does(opConfirm, done, 1, 2, 3), lock(2, 30, 31)}, false},
		"booking lost":                 {[]call{first, does(opConfirm, done, 1, 2, 3), read("AVAILABLE", 40)}, false},
		"cancel lost":                  {[]call{first, does(opConfirm, done, 1, 2, 3), does(opCancel, done, 1, 4, 5), read("BOOKED", 40)}, false},
		"read at every stage":          {[]call{read("AVAILABLE", 0), lock(1, 1, 2), read("LOCKED", 3), read("AVAILABLE", 13), read("AVAILABLE", 14)}, true},
		"hold reads available":         {[]call{first, read("AVAILABLE", 5)}, false},
		"unknown lock, executed":       {[]call{lost, read("LOCKED", 5)}, true},
		"unknown lock, not executed":   {[]call{lost, lock(2, 5, 6), read("LOCKED", 7)}, true},
		"unknown confirm, executed":    {[]call{first, does(opConfirm, unknown, 1, 2, 3), read("BOOKED", 20)}, true},
		"unknown confirm, too late":    {[]call{first, does(opConfirm, unknown, 1, 12, 13), read("BOOKED", 20)}, false},
		"unknown cancel, executed":     {[]call{first, does(opCancel, unknown, 1, 2, 3), lock(2, 4, 5)}, true},
		"unknown cancel, not executed": {[]call{first, does(opCancel, unknown, 1, 2, 3), read("LOCKED", 4)}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &history{}
			h.add(tt.calls...)
			impossible, undecided, _ := h.check()
			if possible := len(impossible) == 0; possible != tt.possible || len(undecided) > 0 {
				t.Errorf("possible = %t, want %t", possible, tt.possible)
			}
		})
	}
}
