package repository_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/testkit"
)

func TestHold_AllSeatsOrNone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)

	hold := f.mustHold(t, user, f.seats[0], f.seats[1])
	if hold.Amount != 90000 || hold.Status != domain.BookingPending || len(hold.Seats) != 2 || hold.Seats[0].Price != 45000 {
		t.Errorf("held %+v", hold)
	}
	if hold.ExpiresAt.Sub(hold.CreatedAt) != time.Minute || hold.HoldLeft != time.Minute {
		t.Errorf("held until %s, for %s", hold.ExpiresAt, hold.HoldLeft)
	}
	_, err := f.hold(testkit.NewUser(t, f.pool), f.seats[1], f.seats[2])
	wantCode(t, err, domain.ErrSeatsUnavailable)
	if diff := cmp.Diff([]int64{f.seats[1]}, field[[]int64](t, err, "failed_seats")); diff != "" {
		t.Error(diff)
	}
	want := map[int64]string{}
	for i, id := range f.seats {
		want[id] = "AVAILABLE"
		if i < 2 {
			want[id] = "LOCKED"
		}
	}
	if diff := cmp.Diff(want, f.status(t)); diff != "" {
		t.Errorf("a refused hold changed seats: %s", diff)
	}
	f.audit(t)
}

func TestHold_ResponseAndDetailsAgree(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[1], f.seats[0])
	details, err := f.store.BookingDetails(t.Context(), hold.UserID, hold.ID)
	if err != nil {
		t.Fatal(err)
	}
	if details.HoldLeft <= 0 || details.HoldLeft > hold.HoldLeft {
		t.Errorf("time left is %s", details.HoldLeft)
	}
	// What a user does not see: the token, and how the time and the free seats passed between the two.
	details.HoldLeft, details.LockToken, details.Show.AvailableSeats = hold.HoldLeft, hold.LockToken, hold.Show.AvailableSeats
	if diff := cmp.Diff(hold, details); diff != "" {
		t.Errorf("(-response +details):\n%s", diff)
	}
}

func TestHold_ListsSeatsByRowAndNumber(t *testing.T) {
	t.Parallel()
	f := setup(t)
	venue := testkit.NewVenue(t, f.pool, 0, 0)
	testkit.Exec(t, f.pool, `
		INSERT INTO seats (venue_id, seat_row, seat_number)
		VALUES ($1, 'AA', 1), ($1, 'Z', 10), ($1, 'Z', 9)`, venue)
	f.show = testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue})

	hold := f.mustHold(t, testkit.NewUser(t, f.pool), testkit.SeatIDs(t, f.pool, f.show)...)
	got := []string{}
	for _, seat := range hold.Seats {
		got = append(got, fmt.Sprint(seat.Row, seat.Number))
	}
	if diff := cmp.Diff([]string{"Z9", "Z10", "AA1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestHold_Refusals(t *testing.T) {
	t.Parallel()
	f := setup(t).limited(t, 5)
	user := testkit.NewUser(t, f.pool)
	other := testkit.SeatIDs(t, f.pool, testkit.NewShow(t, f.pool, testkit.Show{}))
	started := testkit.NewShow(t, f.pool, testkit.Show{Start: time.Now().Add(-time.Minute)})
	deleted := testkit.NewShow(t, f.pool, testkit.Show{})
	testkit.Exec(t, f.pool, `UPDATE shows SET deleted_at = now() WHERE show_id = $1`, deleted)

	cases := map[string]struct {
		show  int64
		seats []int64
		want  *domain.Error
	}{
		"no such show":        {show: 1 << 62, seats: f.seats[:1], want: domain.ErrShowNotFound},
		"deleted show":        {show: deleted, seats: testkit.SeatIDs(t, f.pool, deleted)[:1], want: domain.ErrShowNotFound},
		"started show":        {show: started, seats: testkit.SeatIDs(t, f.pool, started)[:1], want: domain.ErrShowStarted},
		"seat of elsewhere":   {show: f.show, seats: []int64{f.seats[0], other[0]}, want: domain.ErrInvalidSeats},
		"no such seat":        {show: f.show, seats: []int64{1 << 62}, want: domain.ErrInvalidSeats},
		"more than the limit": {show: f.show, seats: f.seats[:6], want: domain.ErrSeatLimit},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			there := f
			there.show = c.show
			_, err := there.hold(user, c.seats...)
			wantCode(t, err, c.want)
		})
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM bookings`); n != 0 {
		t.Errorf("%d bookings were made", n)
	}
	_, err := f.hold(user, f.seats[0], other[0])
	if diff := cmp.Diff([]int64{other[0]}, field[[]int64](t, err, "invalid_seats")); diff != "" {
		t.Error(diff)
	}
}

// count returns how many errors are nil and how many are want, and fails the test on any other.
func count(t *testing.T, errs []error, want ...*domain.Error) (won, lost int) {
	t.Helper()
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case matches(err, want):
			lost++
		default:
			t.Errorf("unexpected error: %v", err)
		}
	}
	return won, lost
}

func matches(err error, want []*domain.Error) bool {
	for _, w := range want {
		if errors.Is(err, w) {
			return true
		}
	}
	return false
}

func TestHold_OneSeatIsHeldOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	crowd := users(t, f, 50)
	errs := race(50, func(i int) error {
		_, err := f.hold(crowd[i], f.seats[0])
		return err
	})
	if won, lost := count(t, errs, domain.ErrSeatsUnavailable); won != 1 || lost != 49 {
		t.Errorf("%d won and %d lost, want 1 and 49", won, lost)
	}
	f.audit(t)
}

func TestHold_CrossingSetsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	f := setup(t)
	crowd := users(t, f, 24)
	before := deadlocks(t, f)
	for round := range 10 {
		errs := race(len(crowd), func(i int) error {
			_, err := f.hold(crowd[i], f.seats[i%5+2], f.seats[i%5], f.seats[i%5+1])
			return err
		})
		if won, _ := count(t, errs, domain.ErrSeatsUnavailable); won == 0 {
			t.Errorf("round %d: no one got a seat", round)
		}
		f.audit(t)
		// All holds expire: those of the next round have to end them.
		testkit.Exec(t, f.pool, `UPDATE bookings SET expires_at = now() WHERE status = 'PENDING'`)
	}
	if after := deadlocks(t, f); after != before {
		t.Errorf("PostgreSQL resolved %d deadlocks", after-before)
	}
}

// deadlocks returns how many deadlocks PostgreSQL has seen in this database.
func deadlocks(t *testing.T, f fixture) int64 {
	t.Helper()
	testkit.Exec(t, f.pool, `SELECT pg_stat_force_next_flush()`)
	return testkit.Value[int64](t, f.pool, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)
}

func TestHold_UserLimitHoldsAgainstParallelRequests(t *testing.T) {
	t.Parallel()
	f := setup(t).limited(t, 4)
	user := testkit.NewUser(t, f.pool)
	errs := race(10, func(i int) error {
		_, err := f.hold(user, f.seats[i])
		return err
	})
	if won, lost := count(t, errs, domain.ErrSeatLimit); won != 4 || lost != 6 {
		t.Errorf("%d won and %d lost, want 4 and 6", won, lost)
	}
	f.audit(t)
}

func TestHold_UserLimitCountsLiveBookingsOnly(t *testing.T) {
	t.Parallel()
	f := setup(t).limited(t, 2)
	user := testkit.NewUser(t, f.pool)
	first := f.mustHold(t, user, f.seats[0], f.seats[1])
	_, err := f.hold(user, f.seats[2])
	wantCode(t, err, domain.ErrSeatLimit)
	testkit.Expire(t, f.pool, first.ID)
	second := f.mustHold(t, user, f.seats[2], f.seats[3])
	if _, err := f.cancel(second); err != nil {
		t.Fatal(err)
	}
	third := f.mustHold(t, user, f.seats[4], f.seats[5])
	f.mustPay(t, third)
	f.mustConfirm(t, third)
	_, err = f.hold(user, f.seats[6])
	wantCode(t, err, domain.ErrSeatLimit)
}

func TestHold_ExpiredHoldIsTakenOver(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first, second := testkit.NewUser(t, f.pool), testkit.NewUser(t, f.pool)
	old := f.mustHold(t, first, f.seats[0], f.seats[1], f.seats[2])
	f.mustPay(t, old)
	testkit.Expire(t, f.pool, old.ID)

	f.mustHold(t, second, f.seats[1])

	status := f.status(t)
	if status[f.seats[0]] != "AVAILABLE" || status[f.seats[1]] != "LOCKED" || status[f.seats[2]] != "AVAILABLE" {
		t.Errorf("seats are %v", status)
	}
	if got := f.bookingStatus(t, old.ID); got != "CANCELLED expired" {
		t.Errorf("the old booking is %s", got)
	}
	if diff := cmp.Diff([]string{"refund_pending"}, f.paymentStatus(t, old.ID)); diff != "" {
		t.Error(diff)
	}
	if f.around.wakes != 1 || f.around.expired != 1 || len(f.around.released) != 1 || f.around.released[0].Token != old.LockToken {
		t.Errorf("after the commit: %d refunds woken, %d holds expired, released %v", f.around.wakes, f.around.expired, f.around.released)
	}
	f.audit(t)
}

func TestHold_ExpiredHoldIsTakenOverOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	old := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0], f.seats[1])
	testkit.Expire(t, f.pool, old.ID)
	crowd := users(t, f, 20)
	errs := race(20, func(i int) error {
		_, err := f.hold(crowd[i], f.seats[i%2])
		return err
	})
	if won, lost := count(t, errs, domain.ErrSeatsUnavailable); won != 2 || lost != 18 {
		t.Errorf("%d won and %d lost, want 2 and 18", won, lost)
	}
	if f.around.expired != 1 {
		t.Errorf("the hold was ended %d times", f.around.expired)
	}
	f.audit(t)
}

// The new hold takes the very seats of the holds that it ends, its own expired one among them.
func TestHold_EndsExpiredHoldsBeforeItTakesTheirSeats(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	own, other := f.mustHold(t, user, f.seats[1], f.seats[3]), f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[2])
	testkit.Expire(t, f.pool, own.ID)
	testkit.Expire(t, f.pool, other.ID)
	hold := f.mustHold(t, user, f.seats[3], f.seats[2], f.seats[1])
	held := testkit.Value[[]int64](t, f.pool, `SELECT array_agg(seat_id ORDER BY seat_id) FROM show_seats WHERE booking_id = $1`, hold.ID)
	if diff := cmp.Diff(f.seats[1:4], held); diff != "" {
		t.Errorf("the new hold has (-want +got):\n%s", diff)
	}
	if f.bookingStatus(t, own.ID) != "CANCELLED expired" || f.bookingStatus(t, other.ID) != "CANCELLED expired" {
		t.Error("the expired holds were not ended")
	}
	f.audit(t)
}

func TestHold_AgainIsTheSameHold(t *testing.T) {
	t.Parallel()
	f := setup(t).limited(t, 2)
	user := testkit.NewUser(t, f.pool)
	ids := make([]int64, 10)
	errs := race(len(ids), func(i int) error {
		hold, err := f.hold(user, f.seats[(i+1)%2], f.seats[i%2])
		ids[i] = hold.ID
		return err
	})
	count(t, errs)
	for _, id := range ids {
		if id != ids[0] || id == 0 {
			t.Fatalf("ten double clicks made bookings %v", ids)
		}
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM bookings`); n != 1 {
		t.Errorf("%d bookings were made", n)
	}
	f.audit(t)
}

func TestHold_OwnSeatsAmongOthersAreHeldByYou(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	f.mustHold(t, user, f.seats[0], f.seats[1])
	f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[2])
	for name, c := range map[string]struct{ seats, failed, own []int64 }{
		"a part of one's hold":       {f.seats[:1], f.seats[:1], f.seats[:1]},
		"one's hold and a free seat": {[]int64{f.seats[0], f.seats[1], f.seats[5]}, f.seats[:2], f.seats[:2]},
		"own and taken":              {f.seats[1:3], f.seats[1:3], f.seats[1:2]},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.hold(user, c.seats...)
			wantCode(t, err, domain.ErrSeatsUnavailable)
			if diff := cmp.Diff([][]int64{c.failed, c.own},
				[][]int64{field[[]int64](t, err, "failed_seats"), field[[]int64](t, err, "held_by_you")}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	f.audit(t)
}

// The price is that of the moment of the hold; what a booking pays does not change with the show's.
func TestHold_PriceStaysWithTheBooking(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	hold := f.mustHold(t, user, f.seats[0], f.seats[1])
	testkit.Exec(t, f.pool, `UPDATE shows SET price = 99.95 WHERE show_id = $1`, f.show)
	f.mustPay(t, hold)
	confirmed, err := f.confirm(hold)
	if err != nil || confirmed.Amount != 90000 || confirmed.Seats[0].Price != 45000 {
		t.Errorf("confirmed %+v, %v", confirmed, err)
	}
	if later := f.mustHold(t, user, f.seats[2]); later.Amount != 9995 {
		t.Errorf("a later hold costs %s", later.Amount)
	}
	f.audit(t)
}
