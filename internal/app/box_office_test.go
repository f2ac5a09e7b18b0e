package app_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/testkit"
)

// boxOffice is an instance and its database with one show of ten seats (rows A and B) at 450.00.
type boxOffice struct {
	*instance
	pool  *pgxpool.Pool
	show  int64
	seats []int64
}

func openBoxOffice(t testing.TB, settings ...string) *boxOffice {
	t.Helper()
	return boxOfficeOn(t, start(t, settings...))
}

func boxOfficeOn(t testing.TB, i *instance) *boxOffice {
	t.Helper()
	pool := testkit.Connect(t, i.cfg.Database.URL.Reveal())
	show := testkit.NewShow(t, pool, testkit.Show{})
	return &boxOffice{instance: i, pool: pool, show: show, seats: testkit.SeatIDs(t, pool, show)}
}

func (b *boxOffice) user(t testing.TB) string {
	t.Helper()
	id := testkit.NewUser(t, b.pool)
	token, err := b.Services().Tokens.Issue(domain.User{ID: id, Email: fmt.Sprintf("user-%d@example.com", id), Role: domain.RoleUser})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (b *boxOffice) users(t testing.TB, n int) []string {
	t.Helper()
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = b.user(t)
	}
	return tokens
}

func (b *boxOffice) lock(t testing.TB, token string, seats ...int64) response {
	t.Helper()
	return b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: token,
		body: map[string]any{"show_id": b.show, "seat_ids": seats}})
}

func (b *boxOffice) hold(t testing.TB, token string, seats ...int64) int64 {
	t.Helper()
	return int64(b.lock(t, token, seats...).want(t, http.StatusOK, "").body["booking_id"].(float64))
}

func (b *boxOffice) pay(t testing.TB, token string, booking int64, amount any) response {
	t.Helper()
	return b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/payments/simulate", token: token,
		body: map[string]any{"booking_id": booking, "amount": amount, "outcome": "success"}})
}

func (b *boxOffice) confirm(t testing.TB, token string, booking int64) response {
	t.Helper()
	return b.send(t, request{method: http.MethodPost, path: fmt.Sprintf("/api/v1/bookings/%d/confirm", booking), token: token})
}

func (b *boxOffice) cancel(t testing.TB, token string, booking int64) response {
	t.Helper()
	return b.send(t, request{method: http.MethodPost, path: fmt.Sprintf("/api/v1/bookings/%d/cancel", booking), token: token})
}

func (b *boxOffice) booking(t testing.TB, token string, booking int64) map[string]any {
	t.Helper()
	return b.send(t, request{path: fmt.Sprintf("/api/v1/bookings/%d", booking), token: token}).
		want(t, http.StatusOK, "").body["booking"].(map[string]any)
}

func (b *boxOffice) statuses(t testing.TB) map[string]int {
	t.Helper()
	seats := b.send(t, request{path: fmt.Sprintf("/api/v1/shows/%d/seats", b.show)}).want(t, http.StatusOK, "")
	counts := map[string]int{}
	for _, seat := range seats.body["seats"].([]any) {
		counts[seat.(map[string]any)["status"].(string)]++
	}
	return counts
}

// awaitStatuses polls the seat map, which lags behind changes by others, until it has these statuses.
func (b *boxOffice) awaitStatuses(t testing.TB, want map[string]int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the seat map to have %v", want), func() bool { return maps.Equal(want, b.statuses(t)) })
}

// awaitAvailable polls the show, which is cached, until it has n available seats.
func (b *boxOffice) awaitAvailable(t testing.TB, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d available seats", n), func() bool {
		show := b.send(t, request{path: fmt.Sprintf("/api/v1/shows/%d", b.show)}).want(t, http.StatusOK, "")
		return show.member(t, "show.available_seats") == float64(n)
	})
}

func (b *boxOffice) audit(t testing.TB) {
	t.Helper()
	violations, err := repository.New(b.pool, repository.Options{}).Audit(context.Background(), time.Hour, 20, func(string) {})
	if err != nil {
		t.Fatalf("audit: %v", err)
	}
	for _, v := range violations {
		t.Errorf("audit: %s: %s", v.Check, v.Detail)
	}
}

// atOnce sends n requests concurrently and counts the responses by "status code".
func atOnce(n int, send func(i int) response) map[string]int {
	responses := make([]string, n)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			response := send(i)
			responses[i] = fmt.Sprint(response.status, " ", response.code())
		})
	}
	close(begin)
	wg.Wait()
	counts := map[string]int{}
	for _, response := range responses {
		counts[response]++
	}
	return counts
}
