package app_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"evently/internal/domain"
	"evently/internal/testkit"
)

// customer is a user who books at a box office.
type customer struct {
	*boxOffice
	user  int64
	token string
}

func newCustomer(t testing.TB, settings ...string) customer {
	t.Helper()
	return openBoxOffice(t, settings...).customer(t)
}

func (b *boxOffice) customer(t testing.TB) customer {
	t.Helper()
	c := customer{boxOffice: b, user: testkit.NewUser(t, b.pool)}
	var err error
	c.token, err = b.Services().Tokens.Issue(domain.User{ID: c.user, Email: "booker@example.com", Role: domain.RoleUser})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// post sends a POST of the user, with an idempotency key unless key is "".
func (c customer) post(t testing.TB, path, key string, body any) response {
	t.Helper()
	return c.send(t, c.posting(path, key, body))
}

func (c customer) posting(path, key string, body any) request {
	r := request{method: http.MethodPost, path: "/api/v1/bookings/" + path, token: c.token, body: body, header: map[string]string{}}
	if key != "" {
		r.header["Idempotency-Key"] = key
	}
	return r
}

func (c customer) lockBody(seats ...int64) map[string]any {
	return map[string]any{"show_id": c.show, "seat_ids": seats}
}

func (c customer) hold(t testing.TB, seats ...int64) int64 {
	t.Helper()
	return bookingOf(c.post(t, "lock", "", c.lockBody(seats...)).want(t, http.StatusOK, ""))
}

// pay pays for a hold of n seats.
func (c customer) pay(t testing.TB, booking int64, n int) {
	t.Helper()
	c.post(t, "payments/simulate", "", payBody(booking, 450*n, "success")).want(t, http.StatusOK, "")
}

func payBody(booking int64, amount int, outcome string) map[string]any {
	return map[string]any{"booking_id": booking, "amount": amount, "outcome": outcome}
}

func bookingOf(r response) int64 {
	id, _ := r.body["booking_id"].(float64)
	return int64(id)
}

func bookingPath(booking int64, what string) string { return fmt.Sprintf("%d/%s", booking, what) }

// blocked waits until n statements in the database wait for a lock.
func (b *boxOffice) blocked(t testing.TB, n int) {
	t.Helper()
	eventually(t, "statements that wait for a lock", func() bool {
		return testkit.Value[int](t, b.pool, `
			SELECT count(*)
			FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) >= n
	})
}

// untilUnlocked waits until no transaction has the advisory lock of a user or of a key.
func (b *boxOffice) untilUnlocked(t testing.TB) {
	t.Helper()
	eventually(t, "advisory locks to be released", func() bool {
		return testkit.Value[int](t, b.pool, `
			SELECT count(*)
			FROM pg_locks
			JOIN pg_database ON pg_database.oid = pg_locks.database
			WHERE datname = current_database() AND locktype = 'advisory'`) == 0
	})
}

// lockRow locks the rows of a SELECT … FOR UPDATE until unlock is called.
func (b *boxOffice) lockRow(t testing.TB, sql string, args ...any) (unlock func()) {
	t.Helper()
	tx, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
	unlock = func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }
	t.Cleanup(unlock) // before the pool is closed, which waits for it
	return unlock
}

func (c customer) inBackground(t testing.TB, r request) <-chan response {
	t.Helper()
	received := make(chan response, 1)
	go func() { received <- c.send(t, r) }()
	return received
}
