package seatmap

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"evently/internal/domain"
	"evently/internal/respcache"
)

// Approximate sizes in memory: the state and twice the compressed form, once in blocks and once joined.
const (
	mapBytes  = 1024
	seatBytes = 256
)

type showMap struct {
	showID    int64
	refreshes singleflight.Group
	accounted int // its size in bytes as Cache.bytes counts it; guarded by Cache.mu

	mu         sync.Mutex // not held while the database is asked
	checked    time.Time  // when the database was last asked; zero before
	refreshing bool
	version    string // of the seats as last read; "" if they must be read again
	seats      []seat
	byID       []int32 // indexes of seats, by seat id
	// pending are own changes that the last read may not have seen.
	pending []pendingChange

	blocks   []block
	dirty    bool      // seats have changed since blocks were encoded
	nextEnd  time.Time // the first end of a hold that the blocks show; zero if there is none
	rendered *respcache.Body
}

type pendingChange struct {
	domain.SeatChange
	until time.Time
}

// seat is a seat and who has it. A change is applied only if it comes later by booking, whose ids grow, or by phase.
type seat struct {
	domain.Seat
	phase   phase
	shown   phase // phaseFree, phaseHeld or phaseBooked, as in the encoded block
	booking int64
	until   time.Time // of a hold
}

type phase uint8

const (
	phaseFree phase = iota
	phaseHeld
	phaseBooked
	phaseOver
)

func (s *seat) visible(now time.Time) phase {
	switch {
	case s.phase == phaseBooked:
		return phaseBooked
	case s.phase == phaseHeld && s.until.After(now):
		return phaseHeld
	default:
		return phaseFree
	}
}

// body returns the encoded map, or fresh false if the database was last asked before oldest.
func (m *showMap) body(oldest, now time.Time) (body *respcache.Body, fresh bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.checked.IsZero() || m.checked.Before(oldest) {
		return nil, false, nil
	}
	body, err = m.render(now)
	return body, true, err
}

// beginRefresh returns the version to compare with, or "" if the seats have to be read. It cannot vouch for pending
// changes: when another instance has undone them, it is as it was before.
func (m *showMap) beginRefresh() (version string, pending int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refreshing = true
	if len(m.pending) == 0 {
		version = m.version
	}
	return version, len(m.pending)
}

func (m *showMap) endRefresh() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refreshing = false
}

func (m *showMap) confirm(asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checked = asked
}

// load applies what was read after asked, which includes the first settled pending changes, and returns the new size.
func (m *showMap) load(version string, planned []domain.PlannedSeat, asked time.Time, settled int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.sameSeats(planned) {
		m.replaceSeats(planned)
	}
	for i := range planned {
		s := &m.seats[i]
		s.booking, s.until, s.phase = planned[i].BookingID, time.Time{}, phaseFree
		switch planned[i].Status {
		case domain.SeatLocked:
			s.phase, s.until = phaseHeld, asked.Add(planned[i].HoldLeft)
		case domain.SeatBooked:
			s.phase = phaseBooked
		case domain.SeatAvailable:
		}
	}
	m.version, m.checked, m.dirty = version, asked, true
	m.pending = slices.Delete(m.pending, 0, settled)
	for i := range m.pending {
		m.apply(&m.pending[i])
	}
	return mapBytes + len(m.seats)*seatBytes
}

func (m *showMap) sameSeats(planned []domain.PlannedSeat) bool {
	return len(planned) == len(m.seats) && !slices.ContainsFunc(m.byID, func(i int32) bool {
		return !m.seats[i].Equal(planned[i].Seat)
	})
}

func (m *showMap) replaceSeats(planned []domain.PlannedSeat) {
	m.seats, m.byID = make([]seat, len(planned)), make([]int32, len(planned))
	m.blocks, m.rendered = nil, nil
	for i := range planned {
		m.seats[i] = seat{Seat: planned[i].Seat}
		m.byID[i] = int32(i)
	}
	slices.SortFunc(m.byID, func(a, b int32) int { return cmp.Compare(m.seats[a].ID, m.seats[b].ID) })
}

// change applies an own change, unless the next read will see it.
func (m *showMap) change(change domain.SeatChange, oldest, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.refreshing && m.checked.Before(oldest) {
		return
	}
	m.pending = append(m.pending, pendingChange{change, now.Add(change.HoldFor)})
	m.apply(&m.pending[len(m.pending)-1])
}

func (m *showMap) apply(p *pendingChange) {
	next := phaseOver
	switch p.Status {
	case domain.SeatLocked:
		next = phaseHeld
	case domain.SeatBooked:
		next = phaseBooked
	case domain.SeatAvailable:
	}
	for _, id := range p.SeatIDs {
		s := m.find(id)
		if s == nil || s.booking > p.BookingID || s.booking == p.BookingID && s.phase >= next {
			continue
		}
		s.booking, s.phase, s.until = p.BookingID, next, p.until
		m.dirty = true
	}
}

func (m *showMap) find(id int64) *seat {
	at, found := slices.BinarySearchFunc(m.byID, id, func(i int32, id int64) int { return cmp.Compare(m.seats[i].ID, id) })
	if !found {
		return nil
	}
	return &m.seats[m.byID[at]]
}
