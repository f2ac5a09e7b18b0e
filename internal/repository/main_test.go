package repository_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/payment"
	"evently/internal/repository"
	"evently/internal/service"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// fixture is an instance of the service on a database of its own, with one show of ten seats at 450.00.
type fixture struct {
	pool *pgxpool.Pool
	instance
	show  int64
	seats []int64
}

func setup(t *testing.T) fixture {
	t.Helper()
	pool := testkit.Pool(t)
	show := testkit.NewShow(t, pool, testkit.Show{})
	return fixture{
		pool:     pool,
		instance: newInstance(t, pool, rules()),
		show:     show,
		seats:    testkit.SeatIDs(t, pool, show),
	}
}

// rules are those of a test's instance. Its timeouts are longer than a test takes.
func rules() service.BookingRules {
	return service.BookingRules{
		HoldFor: time.Minute, FirstLockTTL: 10 * time.Second,
		MaxSeatsPerBooking: 10, MaxSeatsPerUser: 10, CleanupBatch: 10,
		RecordTimeout: time.Minute, KeepResponses: 24 * time.Hour, ChargeTimeout: time.Minute, ChosenOutcomes: true,
	}
}

// limited returns the fixture with an instance that lets one user have limit seats of a show.
func (f fixture) limited(t *testing.T, limit int) fixture {
	t.Helper()
	r := rules()
	r.MaxSeatsPerUser = limit
	f.instance = newInstance(t, f.pool, r)
	return f
}

// call makes a request with the idempotency key, and returns the booking that its response shows. A
// refusal that is stored for the key is returned as its error.
func call(key domain.RequestKey, request func(service.Request) (service.Response, error)) (domain.BookingDetails, service.Response, error) {
	encoded := &encoder{}
	response, err := request(service.Request{Key: key, Encoder: encoded})
	if err == nil {
		err = encoded.refusal
	}
	return encoded.booking, response, err
}

func (f fixture) lock(key domain.RequestKey, user int64, seats ...int64) (domain.BookingDetails, service.Response, error) {
	return call(key, func(r service.Request) (service.Response, error) {
		return f.bookings.Lock(context.Background(), service.LockSeats{UserID: user, ShowID: f.show, SeatIDs: seats}, r)
	})
}

func (f fixture) hold(user int64, seats ...int64) (domain.BookingDetails, error) {
	booking, _, err := f.lock(domain.RequestKey{}, user, seats...)
	return booking, err
}

func (f fixture) mustHold(t *testing.T, user int64, seats ...int64) domain.BookingDetails {
	t.Helper()
	booking, err := f.hold(user, seats...)
	if err != nil {
		t.Fatalf("hold: %v", err)
	}
	return booking
}

func (f fixture) confirm(b domain.BookingDetails) (domain.BookingDetails, error) {
	booking, _, err := call(domain.RequestKey{}, func(r service.Request) (service.Response, error) {
		return f.bookings.Confirm(context.Background(), b.UserID, b.ID, r)
	})
	return booking, err
}

func (f fixture) cancel(b domain.BookingDetails) (domain.BookingDetails, error) {
	booking, _, err := call(domain.RequestKey{}, func(r service.Request) (service.Response, error) {
		return f.bookings.Cancel(context.Background(), b.UserID, b.ID, r)
	})
	return booking, err
}

func (f fixture) payBy(key domain.RequestKey, b domain.BookingDetails, method string) (domain.BookingDetails, service.Response, error) {
	return call(key, func(r service.Request) (service.Response, error) {
		return f.payments.Pay(context.Background(), service.Pay{
			UserID: b.UserID, BookingID: b.ID, Amount: b.Amount, Method: method,
		}, r)
	})
}

func (f fixture) pay(b domain.BookingDetails) (domain.BookingDetails, error) {
	booking, _, err := f.payBy(domain.RequestKey{}, b, payment.MethodSuccess)
	return booking, err
}

func (f fixture) mustPay(t *testing.T, b domain.BookingDetails) {
	t.Helper()
	if _, err := f.pay(b); err != nil {
		t.Fatalf("pay: %v", err)
	}
}

func (f fixture) mustConfirm(t *testing.T, b domain.BookingDetails) {
	t.Helper()
	if _, err := f.confirm(b); err != nil {
		t.Fatalf("confirm: %v", err)
	}
}

// audit fails the test on any broken promise.
func (f fixture) audit(t *testing.T) {
	t.Helper()
	violations, err := f.store.Audit(context.Background(), time.Hour, 20, func(string) {})
	if err != nil {
		t.Fatalf("audit: %v", err)
	}
	for _, v := range violations {
		t.Errorf("audit: %s: %s", v.Check, v.Detail)
	}
}

// status returns the status of each seat of the show.
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

// bookingStatus returns status and reason of a booking, such as "CANCELLED expired".
func (f fixture) bookingStatus(t *testing.T, id int64) string {
	t.Helper()
	return testkit.Value[string](t, f.pool, `
		SELECT concat_ws(' ', status, cancel_reason) FROM bookings WHERE booking_id = $1`, id)
}

// paymentStatus returns the states of a booking's payments, oldest first.
func (f fixture) paymentStatus(t *testing.T, bookingID int64) []string {
	t.Helper()
	return testkit.Value[[]string](t, f.pool, `
		SELECT coalesce(array_agg(status ORDER BY payment_id), '{}') FROM payments WHERE booking_id = $1`, bookingID)
}

func users(t *testing.T, f fixture, n int) []int64 {
	t.Helper()
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = testkit.NewUser(t, f.pool)
	}
	return ids
}

// wantCode fails the test unless err is the domain error want.
func wantCode(t *testing.T, err error, want *domain.Error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %s", err, want.Code)
	}
}

// field returns a further member of a domain error.
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

// instance is one instance of the service.
type instance struct {
	store    *repository.Store
	bookings *service.Bookings
	payments *service.Payments
	provider *provider
	around   *surroundings
}

func newInstance(t *testing.T, pool *pgxpool.Pool, r service.BookingRules) instance {
	t.Helper()
	store := patient(pool)
	around := &surroundings{}
	bookings, err := service.NewBookings(service.BookingDeps{
		Store: store, Locks: around, Admissions: around, Feed: around, Refunds: around,
		Rules: r, Recorder: around, Log: discard, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	provider := &provider{PaymentProvider: payment.NewSimulated(store, 0, 1)}
	return instance{store, bookings, service.NewPayments(bookings, provider), provider, around}
}
