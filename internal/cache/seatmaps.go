package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"evently/internal/domain"
)

// errPanicked is what those get who wait for a question whose asker has panicked.
var errPanicked = domain.ErrInternal.WithCause(errors.New("the question that was waited for was broken off"))

// slowAnswer is what the database may take to answer for the ends of holds to be good enough to keep.
const slowAnswer = 100 * time.Millisecond

// lateChange is how long the work of a change may have taken for it to be shown as it is. A process
// can stand still between a commit and here, and what it then tells may be long undone, on another
// instance or because the hold is over; a seat that is free does not say whose it was before.
const lateChange = time.Second

// SeatReader is what SeatMaps need of the store.
type SeatReader interface {
	// SeatsVersion gives what is another text whenever a seat of the show is another one or is in
	// another state, the ends of holds left aside. domain.ErrShowNotFound.
	SeatsVersion(ctx context.Context, showID int64) (string, error)
	// SeatPlan gives the seats of a show by row and number, and their version: that of the same
	// moment or of one before. domain.ErrShowNotFound.
	SeatPlan(ctx context.Context, showID int64) (version string, seats []domain.PlannedSeat, err error)
}

// SeatMaps keeps the seat maps of shows. It is safe for concurrent use.
//
// A map is the state that was last read plus the changes that this instance has made since. What
// it is read from again, once per age, is a version, and the whole of the seats only when that is
// another one.
type SeatMaps struct {
	reader  SeatReader
	encode  func(b []byte, seats []domain.ShowSeat) ([]byte, error)
	options Options
	packers sync.Pool

	renewals renewals

	mu   sync.Mutex
	kept *lru[int64, *seatMap]
}

// NewSeatMaps gives an empty cache of maps that encode writes: it appends a JSON list's items, with
// commas between them.
func NewSeatMaps(reader SeatReader, encode func(b []byte, seats []domain.ShowSeat) ([]byte, error), options Options) *SeatMaps {
	return &SeatMaps{reader: reader, encode: encode, options: options, kept: newLRU[int64, *seatMap](options.MaxBytes)}
}

// Get gives the seat map of a show, or domain.ErrShowNotFound.
func (c *SeatMaps) Get(ctx context.Context, showID int64) (*Body, error) {
	arrived := c.options.Now()
	m := c.mapOf(showID)
	for {
		m.mu.Lock()
		if m.known && !m.checked.Before(arrived.Add(-c.options.MaxAge)) {
			c.renew(ctx, showID, m, arrived)
			body, err := c.render(m, arrived)
			m.mu.Unlock()
			return body, err
		}
		f := m.flight
		if f == nil {
			f = newFlight(c.options.Now())
			m.flight = f
			m.mu.Unlock()
			c.check(ctx, showID, m, f)
		} else {
			m.mu.Unlock()
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if f.err != nil {
			return nil, f.err
		}
		if !f.asked.Before(arrived) {
			m.mu.Lock()
			body, err := c.render(m, c.options.Now())
			m.mu.Unlock()
			return body, err
		}
	}
}

// renew asks beside the request whether a map is still right that will be too old soon. The caller holds
// the map's lock.
func (c *SeatMaps) renew(ctx context.Context, showID int64, m *seatMap, now time.Time) {
	if c.options.RenewAfter <= 0 || m.flight != nil || now.Sub(m.checked) < c.options.RenewAfter {
		return
	}
	f := newFlight(c.options.Now())
	if !c.renewals.begin(func() { c.check(ctx, showID, m, f) }) {
		return
	}
	m.flight = f
}

// Close waits for the renewals that are under way; there are no more from then on.
func (c *SeatMaps) Close() { c.renewals.close() }

// Changed shows at once what this instance has committed.
func (c *SeatMaps) Changed(change domain.SeatChange) {
	c.mu.Lock()
	m, found := c.kept.get(change.ShowID)
	c.mu.Unlock()
	if !found {
		return // whoever asks for it will read it
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if change.Took > lateChange {
		m.known, m.forgets = false, m.forgets+1 // the database knows better
		return
	}
	m.changes++
	m.pending = append(m.pending, pendingChange{number: m.changes, SeatChange: change, until: c.options.Now().Add(change.HoldFor)})
	m.apply(&m.pending[len(m.pending)-1])
}

// Forget has every map read again before it is given: shows were changed, or which seats they have.
func (c *SeatMaps) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.kept.all() {
		m.mu.Lock()
		m.known, m.forgets = false, m.forgets+1
		m.mu.Unlock()
	}
}

// mapOf gives the map of a show, empty when it is not kept yet.
func (c *SeatMaps) mapOf(showID int64) *seatMap {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, found := c.kept.get(showID)
	if !found {
		m = &seatMap{}
		c.kept.put(showID, m, answerOverhead)
	}
	return m
}

// check asks whether the map is still right, and reads it again if it is not.
func (c *SeatMaps) check(ctx context.Context, showID int64, m *seatMap, f *flight) {
	ctx = context.WithoutCancel(ctx) // others wait for it, too
	m.mu.Lock()
	version, changes, forgets := m.version, m.changes, m.forgets
	// A version that is as before tells nothing of what we have changed since: another instance may
	// have undone it.
	known := version != "" && len(m.pending) == 0
	m.mu.Unlock()

	f.err = errPanicked // unless the reader returns
	var seats []domain.PlannedSeat
	changed := true
	defer func() {
		m.mu.Lock()
		if f.err == nil {
			m.settle(changes)
			if changed {
				m.load(version, seats, f.asked)
				if c.options.Now().Sub(f.asked) > max(c.options.MaxAge, slowAnswer) {
					m.version = "" // the ends of holds are too early by as much: read them again
				}
			}
			m.checked, m.known = f.asked, m.forgets == forgets
		}
		size := m.size()
		m.flight = nil
		m.mu.Unlock()
		c.account(showID, m, size, f.err)
		close(f.done)
	}()
	if known {
		now, err := c.reader.SeatsVersion(ctx, showID)
		if err != nil {
			f.err = err
			return
		}
		if changed = now != version; !changed {
			f.err = nil
			return
		}
	}
	version, seats, f.err = c.reader.SeatPlan(ctx, showID)
}

// account notes what a map takes; one that could not be read is not kept.
func (c *SeatMaps) account(showID int64, m *seatMap, size int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept, found := c.kept.get(showID); !found || kept != m {
		return // it had to make room meanwhile
	}
	if errors.Is(err, domain.ErrShowNotFound) {
		c.kept.drop(showID)
		return
	}
	c.kept.put(showID, m, size)
}

// seatMap is the seats of one show. Its lock is never held while the database is asked.
type seatMap struct {
	mu      sync.Mutex
	known   bool      // it was read, and nobody said that it has to be read again
	checked time.Time // before the database was last asked
	version string
	flight  *flight
	forgets int

	seats  []seatState
	places map[int64]int // of seats, by id
	pieces []piece

	changes int // of this instance, counted
	pending []pendingChange
	until   time.Time // the first end of a hold that the body shows; zero for none
	body    *Body     // nil when it is not right any more
}

// pendingChange is a change that what was last read may not have in it.
type pendingChange struct {
	domain.SeatChange
	number int
	until  time.Time
}

// seatState is a seat and whose it is. Bookings of a seat follow each other by their ids, and each
// goes from held to booked to over: that order tells an old change from a new one.
type seatState struct {
	domain.ShowSeat // as it is shown
	booking         int64
	phase           phase
	until           time.Time // of a hold
}

type phase uint8

const (
	phaseFree phase = iota
	phaseHeld
	phaseBooked
	phaseOver
)

func phaseOf(status domain.SeatStatus) phase {
	switch status {
	case domain.SeatLocked:
		return phaseHeld
	case domain.SeatBooked:
		return phaseBooked
	default:
		return phaseOver
	}
}

// shown gives the state that people see at now.
func (s *seatState) shown(now time.Time) domain.SeatStatus {
	switch {
	case s.phase == phaseBooked:
		return domain.SeatBooked
	case s.phase == phaseHeld && s.until.After(now):
		return domain.SeatLocked
	default:
		return domain.SeatAvailable
	}
}

// settle forgets the changes that were made before the database was asked: it has them.
func (m *seatMap) settle(changes int) {
	kept := m.pending[:0]
	for _, p := range m.pending {
		if p.number > changes {
			kept = append(kept, p)
		}
	}
	clear(m.pending[len(kept):])
	m.pending = kept
}

// apply brings a change into the seats, unless they are further already.
func (m *seatMap) apply(p *pendingChange) {
	next := phaseOf(p.Status)
	for _, id := range p.SeatIDs {
		at, found := m.places[id]
		if !found {
			continue
		}
		s := &m.seats[at]
		if s.booking > p.BookingID || s.booking == p.BookingID && s.phase >= next {
			continue
		}
		s.booking, s.phase, s.until = p.BookingID, next, p.until
		m.body = nil
	}
}

// load takes the seats as they were read, what asked began to ask for, and brings in the changes
// that are pending. Pieces whose seats are the same as before stay encoded.
func (m *seatMap) load(version string, seats []domain.PlannedSeat, asked time.Time) {
	same := len(seats) == len(m.seats)
	states := make([]seatState, len(seats))
	for i := range seats {
		planned := &seats[i]
		s := seatState{ShowSeat: planned.ShowSeat, booking: planned.BookingID}
		switch planned.Status {
		case domain.SeatLocked:
			// Rather a moment too early than too late: the answer took its time.
			s.phase, s.until = phaseHeld, asked.Add(planned.HoldLeft)
		case domain.SeatBooked:
			s.phase = phaseBooked
		case domain.SeatAvailable:
		}
		if same = same && m.seats[i].Seat == s.Seat; same {
			s.Status = m.seats[i].Status // what its piece shows
		}
		states[i] = s
	}
	m.seats, m.version, m.body = states, version, nil
	if !same {
		m.pieces = nil
		m.places = make(map[int64]int, len(states))
		for i := range states {
			m.places[states[i].ID] = i
		}
	}
	for i := range m.pending {
		m.apply(&m.pending[i])
	}
}

const seatBytes = 200 // about what a seat takes beside its encoded forms

// size is about what the map takes in memory.
func (m *seatMap) size() int64 {
	size := int64(answerOverhead + len(m.seats)*seatBytes)
	for i := range m.pieces {
		// The compressed form is there twice: in its piece and in the body.
		size += int64(cap(m.pieces[i].plain) + 2*cap(m.pieces[i].packed))
	}
	return size
}
