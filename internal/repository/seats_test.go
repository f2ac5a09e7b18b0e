package repository_test

import (
	"cmp"
	"slices"
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
	_, err := f.store.InsertSeats(t.Context(), 1<<40, []domain.SeatSpec{spec("", "A", 1)})
	wantCode(t, err, domain.ErrVenueNotFound)
	venue := testkit.Value[int64](t, f.pool, `SELECT venue_id FROM shows WHERE show_id = $1`, f.show)
	for _, seat := range []domain.SeatSpec{
		spec("", "", 1), spec("", strings.Repeat("A", 17), 1), spec("", "A", 0), spec(strings.Repeat("S", 65), "A", 1),
		{SeatPlace: domain.SeatPlace{Row: "A", Number: 1}, Category: strings.Repeat("C", 65)},
	} {
		seat.Section = cmp.Or(seat.Section, "New")
		_, err := f.store.InsertSeats(t.Context(), venue, []domain.SeatSpec{spec("", "Q", 1), seat})
		wantCode(t, err, domain.ErrInternal)
	}
	if n := testkit.Value[int](t, f.pool, `SELECT total_seats FROM shows WHERE show_id = $1`, f.show); n != 10 {
		t.Fatalf("the show has %d seats, want 10", n)
	}
}

func spec(section, row string, number int32) domain.SeatSpec {
	return domain.SeatSpec{SeatPlace: domain.SeatPlace{Section: section, Row: row, Number: number}}
}

// named is the seat as "section row label".
func named(s domain.Seat) string { return strings.TrimSpace(s.Section + " " + s.Row + s.Label) }

func names(seats []domain.Seat) []string {
	all := make([]string, len(seats))
	for i, s := range seats {
		all[i] = named(s)
	}
	return all
}

func TestInsertSeats_SectionsKeepTheOrderInWhichTheyWereNamed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	venue := testkit.NewVenue(t, f.pool, 0, 0)
	insert := func(want int, seats ...domain.SeatSpec) {
		t.Helper()
		added, err := f.store.InsertSeats(t.Context(), venue, seats)
		if err != nil || added != want {
			t.Fatalf("added %d, %v; want %d", added, err, want)
		}
	}
	insert(4, spec("Stalls", "B", 1), spec("Balcony", "A", 1), spec("Stalls", "A", 2), spec("Stalls", "A", 10))
	insert(2, spec("Box", "A", 1), spec("Stalls", "A", 1), spec("Stalls", "A", 2)) // the last is there
	seats, err := f.store.VenueSeats(t.Context(), venue)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Stalls A1", "Stalls A2", "Stalls A10", "Stalls B1", "Balcony A1", "Box A1"}
	if got := names(seats); !slices.Equal(got, want) {
		t.Errorf("seats %q, want %q", got, want)
	}
}

func TestInsertSeats_LabelsAndGUIDsAreUnique(t *testing.T) {
	t.Parallel()
	f := setup(t)
	venue := testkit.NewVenue(t, f.pool, 0, 0)
	first := spec("", "A", 1)
	first.Label, first.GUID = "7", "guid-1"
	if _, err := f.store.InsertSeats(t.Context(), venue, []domain.SeatSpec{first}); err != nil {
		t.Fatal(err)
	}
	sameLabel, sameGUID := spec("", "A", 2), spec("", "B", 1)
	sameLabel.Label, sameGUID.GUID = "7", "guid-1"
	for name, seat := range map[string]domain.SeatSpec{"label": sameLabel, "guid": sameGUID, "number that is a label": spec("", "A", 7)} {
		_, err := f.store.InsertSeats(t.Context(), venue, []domain.SeatSpec{spec("", "Z", 1), seat})
		wantCode(t, err, domain.ErrSeatConflict)
		if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM seats WHERE venue_id = $1`, venue); n != 1 {
			t.Fatalf("%s: %d seats, want 1", name, n)
		}
	}
	elsewhere := spec("", "A", 1)
	elsewhere.GUID = "guid-1"
	if _, err := f.store.InsertSeats(t.Context(), testkit.NewVenue(t, f.pool, 0, 0), []domain.SeatSpec{elsewhere}); err != nil {
		t.Errorf("the same guid in another venue: %v", err)
	}
}

func TestUpdateSeats_NamesTradePlaces(t *testing.T) {
	t.Parallel()
	f := setup(t)
	venue := testkit.NewVenue(t, f.pool, 1, 3)
	seats, err := f.store.VenueSeats(t.Context(), venue)
	if err != nil {
		t.Fatal(err)
	}
	seats[0].Label, seats[1].Label, seats[0].GUID, seats[1].GUID = "2", "1", "x", "y"
	if err := f.store.UpdateSeats(t.Context(), seats); err != nil {
		t.Fatal(err)
	}
	seats[0].GUID, seats[1].GUID = "y", "x"
	if err := f.store.UpdateSeats(t.Context(), seats); err != nil {
		t.Fatal(err)
	}
	got, err := f.store.VenueSeats(t.Context(), venue)
	if err != nil || !slices.Equal(names(got), []string{"A2", "A1", "A3"}) || got[0].GUID != "y" {
		t.Errorf("%q, %+v, %v", names(got), got[0], err)
	}
	seats[2].Label = "1"
	wantCode(t, f.store.UpdateSeats(t.Context(), seats[2:]), domain.ErrSeatConflict)
}
