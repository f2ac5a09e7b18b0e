package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/testkit"
)

// house is an instance with one show of ten seats at 450, and a user who books.
type house struct {
	*instance
	pool  *pgxpool.Pool
	show  int64
	seats []int64
	user  int64
	token string // of the user
}

// open starts an instance with a show and a user.
func open(t testing.TB, settings ...string) house {
	t.Helper()
	i := start(t, settings...)
	pool := testkit.Connect(t, i.cfg.Database.URL.Reveal())
	return openOn(t, i, pool)
}

// openOn is open on an instance that runs; pool leads to its database, past any proxy.
func openOn(t testing.TB, i *instance, pool *pgxpool.Pool) house {
	t.Helper()
	show := testkit.NewShow(t, pool, testkit.Show{})
	h := house{instance: i, pool: pool, show: show, seats: testkit.SeatIDs(t, pool, show)}
	h.user, h.token = h.newUser(t)
	return h
}

// newUser makes a user and their token, without the hashing of a password.
func (h house) newUser(t testing.TB) (id int64, token string) {
	t.Helper()
	id = testkit.NewUser(t, h.pool)
	token, err := h.Services().Tokens.Issue(domain.User{ID: id, Email: "booker@example.com", Role: domain.RoleUser})
	if err != nil {
		t.Fatal(err)
	}
	return id, token
}

// post sends a POST of the user, with an idempotency key unless that is "".
func (h house) post(t testing.TB, path, key string, body any) response {
	t.Helper()
	return h.send(t, h.posting(path, key, body))
}

func (h house) posting(path, key string, body any) request {
	r := request{method: http.MethodPost, path: "/api/v1/bookings/" + path, token: h.token, body: body, header: map[string]string{}}
	if key != "" {
		r.header["Idempotency-Key"] = key
	}
	return r
}

// lockBody asks for seats of the show.
func (h house) lockBody(seats ...int64) map[string]any {
	return map[string]any{"show_id": h.show, "seat_ids": seats}
}

// hold locks seats and gives the booking.
func (h house) hold(t testing.TB, seats ...int64) int64 {
	t.Helper()
	return bookingOf(h.post(t, "lock", "", h.lockBody(seats...)).want(t, http.StatusOK, ""))
}

// pay pays for a hold of n seats.
func (h house) pay(t testing.TB, booking int64, n int) {
	t.Helper()
	h.post(t, "payments/simulate", "", payBody(booking, 450*n, "success")).want(t, http.StatusOK, "")
}

func payBody(booking int64, amount int, outcome string) map[string]any {
	return map[string]any{"booking_id": booking, "amount": amount, "outcome": outcome}
}

func bookingOf(r response) int64 {
	id, _ := r.body["booking_id"].(float64)
	return int64(id)
}

func bookingPath(booking int64, what string) string { return fmt.Sprintf("%d/%s", booking, what) }

// audit fails the test on any broken promise.
func (h house) audit(t testing.TB) {
	t.Helper()
	violations, err := repository.New(h.pool, repository.Options{}).Audit(t.Context(), 0, 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Errorf("audit: %s: %s", v.Check, v.Detail)
	}
}

// blocked returns when n statements in the database wait for a lock.
func (h house) blocked(t testing.TB, n int) {
	t.Helper()
	for testkit.Value[int](t, h.pool, `
		SELECT count(*)
		FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`) < n {
		if t.Context().Err() != nil {
			t.Fatal("nothing waits for a lock")
		}
	}
}

// lockRow locks what a SELECT … FOR UPDATE finds, until the function that it gives is called.
func (h house) lockRow(t testing.TB, sql string, args ...any) (unlock func()) {
	t.Helper()
	tx, err := h.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback(t.Context()) }
}

// inBackground sends a request and gives what is answered.
func (h house) inBackground(t testing.TB, r request) <-chan response {
	t.Helper()
	answer := make(chan response, 1)
	go func() { answer <- h.send(t, r) }()
	return answer
}
