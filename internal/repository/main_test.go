package repository_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/service"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// fixture is a store on a database of its own, with one show of ten seats at 450.00.
type fixture struct {
	pool  *pgxpool.Pool
	store *repository.Store
	show  int64
	seats []int64
}

func setup(t *testing.T) fixture {
	t.Helper()
	pool := testkit.Pool(t)
	show := testkit.NewShow(t, pool, testkit.Show{})
	return fixture{
		pool: pool,
		// Tests run many at a time on a small machine: patience is not what they are about.
		store: repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute}),
		show:  show,
		seats: testkit.SeatIDs(t, pool, show),
	}
}

func (f fixture) hold(user int64, seats ...int64) (domain.Hold, error) {
	return f.store.HoldSeats(context.Background(), service.NewHold{
		UserID: user, ShowID: f.show, SeatIDs: seats, LockToken: "token", HoldFor: time.Minute, UserLimit: 10,
	})
}

func (f fixture) mustHold(t *testing.T, user int64, seats ...int64) domain.Hold {
	t.Helper()
	hold, err := f.hold(user, seats...)
	if err != nil {
		t.Fatalf("hold: %v", err)
	}
	return hold
}

func (f fixture) pay(t *testing.T, booking domain.Hold) {
	t.Helper()
	if _, err := f.store.RecordPayment(context.Background(), booking.UserID, booking.ID, transaction(booking.ID)); err != nil {
		t.Fatalf("pay: %v", err)
	}
}

// audit fails the test on any broken promise.
func (f fixture) audit(t *testing.T) {
	t.Helper()
	violations, err := f.store.Audit(context.Background(), time.Hour, 20)
	if err != nil {
		t.Fatalf("audit: %v", err)
	}
	for _, v := range violations {
		t.Errorf("audit: %s: %s", v.Check, v.Detail)
	}
}

// status gives how the show's seats stand, by their order.
func (f fixture) status(t *testing.T) map[int64]string {
	t.Helper()
	rows, err := f.pool.Query(context.Background(), `SELECT seat_id, status::text FROM show_seats WHERE show_id = $1`, f.show)
	if err != nil {
		t.Fatal(err)
	}
	status := map[int64]string{}
	var id int64
	var s string
	for rows.Next() {
		if err := rows.Scan(&id, &s); err != nil {
			t.Fatal(err)
		}
		status[id] = s
	}
	return status
}

// wantCode fails the test unless err is the domain error want.
func wantCode(t *testing.T, err error, want *domain.Error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %s", err, want.Code)
	}
}

// field gives a further member of a domain error.
func field[T any](t *testing.T, err error, name string) T {
	t.Helper()
	var coded *domain.Error
	if !errors.As(err, &coded) {
		t.Fatalf("not a domain error: %v", err)
	}
	value, ok := coded.Field(name).(T)
	if !ok {
		t.Fatalf("%s is %#v", name, coded.Field(name))
	}
	return value
}
