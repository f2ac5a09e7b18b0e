package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"evently/internal/repository"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestBareServer_MakesTheBookingsOfTheService(t *testing.T) {
	pool := testkit.Pool(t)
	show := testkit.NewShow(t, pool, testkit.Show{})
	seats := testkit.SeatIDs(t, pool, show)
	server := httptest.NewServer(bareHandler(pool))
	t.Cleanup(server.Close)
	c := newClient(strings.TrimPrefix(server.URL, "http://"), 0)
	t.Cleanup(c.close)

	o := order{user: user{id: testkit.NewUser(t, pool)}, show: show, seat: seats[0]}
	if err := bareAPI.book(t.Context(), c, o); err != nil {
		t.Fatal(err)
	}
	if len(c.locks) != 1 {
		t.Errorf("%d latencies of locks were recorded, want 1", len(c.locks))
	}
	if _, err := c.expect(t.Context(), bareAPI.lock(o), http.StatusConflict); err != nil {
		t.Error(err)
	}
	if booked := testkit.Value[int](t, pool, `SELECT count(*) FROM show_seats WHERE status = 'BOOKED'`); booked != 2 {
		t.Errorf("%d seats are booked, want 2", booked)
	}
	if charges := testkit.Value[int](t, pool, `SELECT count(*) FROM simulated_charges`); charges != 1 {
		t.Errorf("%d charges are in the provider's ledger, want 1", charges)
	}
	violations, err := repository.New(pool, repository.Options{}).Audit(t.Context(), 0, auditLines, func(string) {})
	if err != nil || len(violations) > 0 {
		t.Errorf("audit: %v, %v", violations, err)
	}
}
