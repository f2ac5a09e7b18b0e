package repository_test

import (
	"strings"
	"testing"

	"evently/internal/domain"
	"evently/internal/testkit"
)

func TestDeleteSeats_AllOrNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	venue := testkit.Value[int64](t, f.pool, `SELECT venue_id FROM shows WHERE show_id = $1`, f.show)
	testkit.Exec(t, f.pool, `INSERT INTO seats (venue_id, seat_row, seat_number) VALUES ($1, 'Z', 1)`, venue)

	deleted, inUse, err := f.store.DeleteSeats(t.Context(), venue, []domain.SeatPlace{{Row: "A", Number: 1}, {Row: "Z", Number: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if len(deleted) != 0 || len(inUse) != 1 || inUse[0].Row != "A" {
		t.Fatalf("deleted %v, in use %v; want none, A1", deleted, inUse)
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM seats WHERE venue_id = $1`, venue); n != 11 {
		t.Fatalf("%d seats are left, want all 11", n)
	}
}

// The handler checks these rules before the constraints do.
func TestInsertSeats_ConstraintsHold(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.store.InsertSeats(t.Context(), 1<<40, []domain.SeatPlace{{Row: "A", Number: 1}})
	wantCode(t, err, domain.ErrVenueNotFound)
	venue := testkit.Value[int64](t, f.pool, `SELECT venue_id FROM shows WHERE show_id = $1`, f.show)
	for _, place := range []domain.SeatPlace{{Row: "", Number: 1}, {Row: strings.Repeat("A", 17), Number: 1}, {Row: "A", Number: 0}} {
		_, err := f.store.InsertSeats(t.Context(), venue, []domain.SeatPlace{{Row: "Q", Number: 1}, place})
		wantCode(t, err, domain.ErrInternal)
	}
	if n := testkit.Value[int](t, f.pool, `SELECT total_seats FROM shows WHERE show_id = $1`, f.show); n != 10 {
		t.Fatalf("the show has %d seats, want 10", n)
	}
}
