package seatmap_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"evently/internal/domain"
	"evently/internal/respcache"
	"evently/internal/seatmap"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	maxAge = 200 * time.Millisecond
	show   = 7
)

// fakeReader is a database in which every show has the same seats.
type fakeReader struct {
	mu       sync.Mutex
	seats    []domain.PlannedSeat
	version  int
	gone     bool
	err      error
	versions atomic.Int64 // calls of SeatsVersion
	plans    atomic.Int64 // calls of SeatPlan
	// during, if set, is called while a plan is read, after its seats were.
	during func()
}

func newReader(seats int) *fakeReader {
	r := &fakeReader{seats: make([]domain.PlannedSeat, seats)}
	for i := range r.seats {
		id := int64(seats - i) // ids need not be in the order of seats
		r.seats[i].Seat = domain.Seat{ID: id, VenueID: 1, SeatSpec: domain.SeatSpec{
			SeatPlace: domain.SeatPlace{Row: fmt.Sprint("Row <", i/50, ">"), Number: int32(i + 1)}, Label: strconv.Itoa(i + 1),
		}}
		r.seats[i].Status = domain.SeatAvailable
	}
	return r
}

// set changes a seat, as any instance may.
func (r *fakeReader) set(seat int64, status domain.SeatStatus, booking int64, left time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.seats[len(r.seats)-int(seat)]
	s.Status, s.BookingID, s.HoldLeft = status, booking, left
	r.version++
}

func (r *fakeReader) current() (string, error) {
	if r.gone {
		return "", domain.ErrShowNotFound
	}
	return fmt.Sprint(r.version), r.err
}

func (r *fakeReader) SeatsVersion(context.Context, int64) (string, error) {
	r.versions.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current()
}

func (r *fakeReader) SeatPlan(context.Context, int64) (string, []domain.PlannedSeat, error) {
	r.plans.Add(1)
	r.mu.Lock()
	version, err := r.current()
	seats := append([]domain.PlannedSeat(nil), r.seats...)
	during := r.during
	r.mu.Unlock()
	if during != nil {
		during()
	}
	return version, seats, err
}

// instance is one process's seat maps.
type instance struct {
	t     *testing.T
	maps  *seatmap.Cache
	clock *testkit.Clock
}

func newInstance(t *testing.T, r *fakeReader, clock *testkit.Clock) *instance {
	return &instance{t: t, clock: clock, maps: seatmap.New(r, seatmap.Options{MaxAge: maxAge, MaxBytes: 1 << 20, Now: clock.Now})}
}

func setup(t *testing.T, seats int) (*fakeReader, *instance) {
	t.Helper()
	t.Parallel()
	r := newReader(seats)
	return r, newInstance(t, r, testkit.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)))
}

type seatBody struct {
	SeatID     int64             `json:"seat_id"`
	VenueID    int64             `json:"venue_id"`
	SeatRow    string            `json:"seat_row"`
	SeatNumber int32             `json:"seat_number"`
	Status     domain.SeatStatus `json:"status"`
}

func (in *instance) get() *respcache.Body {
	in.t.Helper()
	body, err := in.maps.Get(in.t.Context(), show)
	if err != nil {
		in.t.Fatal(err)
	}
	return body
}

// read decodes the seats of a map after checking both of its forms.
func (in *instance) read() []seatBody {
	in.t.Helper()
	body := in.get()
	z, err := gzip.NewReader(bytes.NewReader(body.Gzip()))
	if err != nil {
		in.t.Fatal(err)
	}
	text, err := io.ReadAll(z) // checks length and CRC-32
	if err != nil || len(text) != body.Len() {
		in.t.Fatalf("%d bytes, want %d: %v", len(text), body.Len(), err)
	}
	var plain bytes.Buffer
	if _, err := body.WriteTo(&plain); err != nil || plain.String() != string(text) {
		in.t.Fatalf("the plain form differs: %v", err)
	}
	var decoded struct{ Seats []seatBody }
	if err := json.Unmarshal(text, &decoded); err != nil {
		in.t.Fatalf("%v: %s", err, text)
	}
	return decoded.Seats
}

func (in *instance) want(seat int64, status domain.SeatStatus, when string) {
	in.t.Helper()
	for _, s := range in.read() {
		if s.SeatID != seat {
			continue
		}
		if s.Status != status {
			in.t.Errorf("%s: seat %d is %s, want %s", when, seat, s.Status, status)
		}
		return
	}
	in.t.Errorf("%s: seat %d is missing", when, seat)
}

func change(booking int64, status domain.SeatStatus, seats ...int64) domain.SeatChange {
	return domain.SeatChange{ShowID: show, BookingID: booking, SeatIDs: seats, Status: status, HoldFor: time.Minute}
}
