package service_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/service"
)

func TestLock_RedisLosersStopAtTheGate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.taken = []domain.TakenSeat{{SeatID: 2, UserID: buyer + 1}, {SeatID: 3}}
	_, err := w.lock(t.Context(), noKey, 3, 2, 1)
	var refusal *domain.Error
	if !errors.As(err, &refusal) || !errors.Is(err, domain.ErrSeatsUnavailable) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]domain.Field{{Name: "failed_seats", Value: []int64{2, 3}}}, refusal.Fields); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.want(t, "acquire [1 2 3] for 10s", "redis lost")
}

func TestLock_OwnerOfASeatPassesTheGate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.taken = []domain.TakenSeat{{SeatID: 1, UserID: buyer + 1}, {SeatID: 2, UserID: buyer}}
	w.store.hold.Seats[0].Holder = &domain.Holder{BookingID: 4, UserID: buyer + 1, Status: domain.BookingConfirmed, SeatCount: 1}
	_, err := w.lock(t.Context(), noKey, 1, 2)
	if !errors.Is(err, domain.ErrSeatsUnavailable) {
		t.Errorf("got %v", err)
	}
	w.want(t, "acquire [1 2] for 10s", "redis lost", "load hold", "postgres lost", "release [1 2]")
}

func TestLock_KeyIsReplayedBeforeARedisRefusal(t *testing.T) {
	t.Parallel()
	stored := service.Response{Status: 200, Body: []byte("{}"), Replayed: true}
	for name, c := range map[string]struct {
		key    domain.RequestKey
		stored service.Response
		err    error
		want   error
	}{
		"no key":         {noKey, stored, nil, domain.ErrSeatsUnavailable},
		"stored":         {aKey, stored, nil, nil},
		"nothing stored": {aKey, service.Response{}, nil, domain.ErrSeatsUnavailable},
		"in progress":    {aKey, service.Response{}, domain.ErrIdempotencyInProgress, domain.ErrIdempotencyInProgress},
	} {
		w := newWorld()
		w.taken = []domain.TakenSeat{{SeatID: 1}}
		w.store.replay, w.store.replayErr = c.stored, c.err
		response, err := w.lock(t.Context(), c.key, 1)
		if !errors.Is(err, c.want) || (err == nil) != (response.Status == 200) {
			t.Errorf("%s: %+v, %v", name, response, err)
		}
	}
}

func TestLock_PostgresDecidesWithoutRedis(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.redisErr = errDown
	if _, err := w.lock(t.Context(), noKey, 1, 2); err != nil {
		t.Fatal(err)
	}
	w.want(t, "acquire [1 2] for 10s", "redis failed", "load hold", "commit held",
		"held", "extend [1 2] for 1m0s", "feed LOCKED [1 2] for 1m0s", "postgres won")
}

func TestLock_LocksAreExtendedAfterTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ctx, leave := context.WithCancel(t.Context())
	w.store.committing = leave // the client goes away
	if _, err := w.lock(ctx, noKey, 2, 1); err != nil {
		t.Fatal(err)
	}
	w.want(t, "acquire [1 2] for 10s", "redis won", "load hold", "commit held",
		"held", "extend [1 2] for 1m0s", "feed LOCKED [1 2] for 1m0s", "postgres won")
	if w.extended.Token != w.acquired.Token || w.acquired.ShowID != showID {
		t.Errorf("acquired %+v, extended %+v", w.acquired, w.extended)
	}
}

func TestLock_TokenNamesTheUser(t *testing.T) {
	t.Parallel()
	w := newWorld()
	tokens := map[string]bool{}
	for range 2 {
		if _, err := w.lock(t.Context(), noKey, 1, 2); err != nil {
			t.Fatal(err)
		}
		var user int64
		var random string
		if _, err := fmt.Sscanf(w.acquired.Token, "%d.%s", &user, &random); err != nil || user != buyer || len(random) < 20 {
			t.Errorf("the token is %q", w.acquired.Token)
		}
		tokens[w.acquired.Token] = true
	}
	if len(tokens) != 2 {
		t.Error("two holds have one token")
	}
}

func TestLock_ShortHoldIsNotLockedLonger(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.rules.HoldFor = 5 * time.Second
	if _, err := w.lock(t.Context(), noKey, 1, 2); err != nil {
		t.Fatal(err)
	}
	if w.calls[0] != "acquire [1 2] for 5s" {
		t.Error(w.calls[0])
	}
}

func TestLock_RefusedSeatsAreReleased(t *testing.T) {
	t.Parallel()
	for _, refusal := range []error{domain.ErrSeatLimit, domain.ErrOverloaded, errDown} {
		w := newWorld()
		w.store.loadErr = refusal
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if _, err := w.lock(ctx, noKey, 2, 1); !errors.Is(err, refusal) {
			t.Fatalf("got %v", err)
		}
		if diff := cmp.Diff([]domain.SeatLock{w.acquired}, w.released); diff != "" {
			t.Errorf("%v (-acquired +released):\n%s", refusal, diff)
		}
	}
}

// A request that holds nothing new must not leave its locks, which are not those of the hold.
func TestLock_SeatsThatWereNotHeldAreReleased(t *testing.T) {
	t.Parallel()
	own := &domain.Holder{BookingID: 42, UserID: buyer, Status: domain.BookingPending, ExpiresAt: now.Add(time.Minute), SeatCount: 2}
	stored := service.Response{Status: 200}
	for name, prepare := range map[string]func(*world){
		"own hold again": func(w *world) { w.store.hold.Seats[0].Holder, w.store.hold.Seats[1].Holder = own, own },
		"replayed":       func(w *world) { w.store.begun = []service.Response{stored} },
		// The first run of the transaction made a hold, and was rolled back.
		"replayed in a second run": func(w *world) { w.store.begun = []service.Response{{}, stored} },
	} {
		w := newWorld()
		prepare(w)
		if response, err := w.lock(t.Context(), aKey, 1, 2); err != nil || response.Status != 200 {
			t.Fatalf("%s: %+v, %v", name, response, err)
		}
		if diff := cmp.Diff([]domain.SeatLock{w.acquired}, w.released); diff != "" || w.extended.Token != "" {
			t.Errorf("%s: extended %+v (-acquired +released):\n%s", name, w.extended, diff)
		}
	}
}

func TestLock_PanicOfTheStoreIsNotSwallowed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.committing = func() { panic("on purpose") }
	defer func() {
		if cause := recover(); cause != "on purpose" {
			t.Errorf("recovered %v", cause)
		}
	}()
	_, _ = w.lock(t.Context(), noKey, 1, 2)
}

func TestLock_SeatListsAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seats []int64
		want  error
	}{
		"none":             {nil, domain.ErrValidation},
		"too many":         {[]int64{1, 2, 3, 4}, domain.ErrValidation},
		"duplicate":        {[]int64{2, 1, 2}, domain.ErrDuplicateSeats},
		"adjacent":         {[]int64{1, 1}, domain.ErrDuplicateSeats},
		"too many of them": {[]int64{1, 1, 1, 1}, domain.ErrValidation},
	} {
		w := newWorld()
		if _, err := w.lock(t.Context(), noKey, c.seats...); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
		w.want(t)
	}
}

func TestLock_SeatsAreLockedInAscendingOrder(t *testing.T) {
	t.Parallel()
	w := newWorld()
	seats := []int64{3, 1, 2}
	if _, err := w.lock(t.Context(), noKey, seats...); !errors.Is(err, domain.ErrInvalidSeats) {
		t.Fatal(err) // the show has no seat 3
	}
	if diff := cmp.Diff([]int64{1, 2, 3}, w.store.requested.SeatIDs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{3, 1, 2}, seats); diff != "" {
		t.Errorf("the caller's slice was sorted: %s", diff)
	}
}

func TestLock_IsRecordedByLayerAndOutcome(t *testing.T) {
	t.Parallel()
	expired := domain.ExpiredHold{Booking: domain.Booking{ID: 4}, SeatIDs: []int64{9}, Overdue: time.Second}
	for name, c := range map[string]struct {
		prepare func(*world)
		want    []string
	}{
		"won":          {func(*world) {}, []string{"redis won", "held", "postgres won"}},
		"expired hold": {func(w *world) { w.store.hold.Expired = append(w.store.hold.Expired, expired) }, []string{"redis won", "expired by 1s", "held", "postgres won"}},
		"lost":         {func(w *world) { w.taken = []domain.TakenSeat{{SeatID: 1}} }, []string{"redis lost"}},
		"too late":     {func(w *world) { w.store.loadErr = domain.ErrSeatsUnavailable }, []string{"redis won", "postgres lost"}},
		"refused":      {func(w *world) { w.store.loadErr = domain.ErrSeatLimit }, []string{"redis won", "postgres refused"}},
		"no redis":     {func(w *world) { w.redisErr = errDown }, []string{"redis failed", "held", "postgres won"}},
		"no store":     {func(w *world) { w.store.loadErr = domain.ErrOverloaded }, []string{"redis won", "postgres failed"}},
	} {
		w := newWorld()
		c.prepare(w)
		_, _ = w.lock(t.Context(), noKey, 1, 2)
		if diff := cmp.Diff(c.want, w.recorded); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestConfirm_EndsTheAdmissionOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.booking = paidHold()
	if _, err := w.confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want(t, "commit confirmed", "confirmed", "end admission 7 of 5 booked 11:59", "feed BOOKED [1 2] for 0s", "release [1 2]")

	w.calls = nil
	w.store.booking.Booking.Status = domain.BookingConfirmed
	if response, err := w.confirm(t.Context()); err != nil || response.Status != 200 {
		t.Fatalf("%+v, %v", response, err)
	}
	w.want(t, "commit")
}

func TestConfirm_ExpiredHoldIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.booking = paidHold()
	w.store.booking.Now = now.Add(time.Hour)
	if response, err := w.confirm(t.Context()); err != nil || response.Status != 410 {
		t.Fatalf("%+v, %v", response, err) // stored, since it gives money back
	}
	w.want(t, "commit expired", "expired by 59m0s", "release [1 2]", "wake refunds")

	w = newWorld()
	w.store.booking = paidHold()
	w.store.booking.Payments, w.store.booking.Now = nil, now.Add(time.Hour)
	if _, err := w.confirm(t.Context()); !errors.Is(err, domain.ErrHoldExpired) {
		t.Fatal(err)
	}
	w.want(t, "commit expired", "expired by 59m0s", "release [1 2]")
}

func TestCancel_EndsTheAdmissionOfAPaidBookingOnly(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.booking = paidHold()
	if _, err := w.cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want(t, "commit cancelled", "cancelled", "end admission 7 of 5 booked 11:59", "feed AVAILABLE [1 2] for 0s", "release [1 2]", "wake refunds")

	w = newWorld()
	w.store.booking = paidHold()
	w.store.booking.Payments = nil
	if _, err := w.cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want(t, "commit cancelled", "cancelled", "feed AVAILABLE [1 2] for 0s", "release [1 2]")
}

func TestCommitted_FailuresOfRedisAndLostClientsDoNotMatter(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]func(*world, context.Context) (service.Response, error){
		"lock":    func(w *world, ctx context.Context) (service.Response, error) { return w.lock(ctx, noKey, 1, 2) },
		"confirm": (*world).confirm,
		"cancel":  (*world).cancel,
	} {
		w := newWorld()
		w.redisErr = errDown
		w.store.booking = paidHold()
		ctx, leave := context.WithCancel(t.Context())
		w.store.committing = leave
		if response, err := step(w, ctx); err != nil || response.Status != 200 {
			t.Errorf("%s: %+v, %v", name, response, err)
		}
		if w.late > 0 {
			t.Errorf("%s: %d calls after the commit had the context of the client", name, w.late)
		}
	}
}

func TestRetryReleases_ReleasesWhatFailed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.loadErr = domain.ErrSeatLimit
	b := w.bookings()
	w.redisErr = errDown
	for range 3 {
		if _, err := b.Lock(t.Context(), service.LockSeats{UserID: buyer, ShowID: showID, SeatIDs: []int64{1}}, w.request(noKey)); !errors.Is(err, domain.ErrSeatLimit) {
			t.Fatalf("got %v", err)
		}
	}
	if n, err := b.RetryReleases(t.Context()); n != 0 || !errors.Is(err, errDown) {
		t.Errorf("released %d, %v", n, err)
	}
	w.redisErr = nil
	for _, want := range []int{3, 0} {
		w.released = nil
		if n, err := b.RetryReleases(t.Context()); n != want || err != nil || len(w.released) != want {
			t.Errorf("released %d, %v: %+v", n, err, w.released)
		}
	}
}

func TestExpireDue_AllLocksAreReleasedWhenItReturns(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.sweeping, w.store.due = true, 7
	if n, err := w.bookings().ExpireDue(t.Context()); n != 7 || err != nil || len(w.released) != 7 {
		t.Errorf("%d ended, %d locks released, %v", n, len(w.released), err)
	}
}

func TestExpireDue_FailureIsReturned(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.sweeping, w.store.due, w.store.loadErr = true, 7, domain.ErrOverloaded
	if n, err := w.bookings().ExpireDue(t.Context()); n != 0 || !errors.Is(err, domain.ErrOverloaded) {
		t.Errorf("%d ended, %v", n, err)
	}
}

// A panic on a goroutine of its own would end the process.
func TestExpireDue_PanicIsReturned(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.sweeping, w.store.due = true, 7
	w.store.committing = func() { panic("on purpose") }
	_, err := w.bookings().ExpireDue(t.Context())
	wantPanic(t, err)
}

func TestShow_IsCachedForItsMaxAge(t *testing.T) {
	t.Parallel()
	for age, reads := range map[time.Duration]int{0: 3, time.Second: 2} {
		w := newWorld()
		w.rules.ShowMaxAge = age
		b := w.bookings()
		for _, step := range []time.Duration{0, time.Second - 1, 1} {
			w.clock.Advance(step)
			if _, err := b.Lock(t.Context(), service.LockSeats{UserID: buyer, ShowID: showID, SeatIDs: []int64{1, 2}}, w.request(noKey)); err != nil {
				t.Fatal(err)
			}
		}
		if w.store.showReads != reads {
			t.Errorf("max age %s: the show was read %d times, want %d", age, w.store.showReads, reads)
		}
	}
}
