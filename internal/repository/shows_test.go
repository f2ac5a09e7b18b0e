package repository_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/testkit"
)

// A search for a name that nobody has counts no seats, however many shows are sold out.
func TestShows_NamesComeBeforeAvailability(t *testing.T) {
	t.Parallel()
	pool := testkit.Connect(t, testkit.DatabaseURL(t)+"&pool_max_conns=1") // whose statistics are flushed
	store := patient(pool)
	for range 5 {
		show := testkit.NewShow(t, pool, testkit.Show{})
		testkit.Exec(t, pool, `UPDATE shows SET total_seats = 0 WHERE show_id = $1`, show)
	}
	testkit.Exec(t, pool, `ANALYZE`)
	reads := func() int {
		return testkit.Value[int](t, pool, `
			SELECT (seq_scan + idx_scan)::int
			FROM pg_stat_user_tables
			WHERE relname = 'bookings'`)
	}
	flush := func() { testkit.Exec(t, pool, `SELECT pg_stat_force_next_flush()`) }
	search := func(filter domain.ShowFilter) int {
		flush()
		before := reads()
		if _, _, err := store.Shows(t.Context(), filter, nil, 10); err != nil {
			t.Fatal(err)
		}
		flush()
		return reads() - before
	}
	if n := search(domain.ShowFilter{Event: "nobody has this name", AvailableOnly: true}); n != 0 {
		t.Errorf("%d look-ups of bookings for no show", n)
	}
	if n := search(domain.ShowFilter{AvailableOnly: true}); n == 0 {
		t.Error("the look-ups are not counted")
	}
}

// Searches that hang do not take all connections: a few run, and the others are told to come again.
func TestShows_FewSearchesRunAtOnce(t *testing.T) {
	t.Parallel()
	pool := testkit.Pool(t)
	testkit.NewShow(t, pool, testkit.Show{})
	store := patient(pool)
	lock, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback(context.Background()) }()
	if _, err := lock.Exec(t.Context(), `LOCK TABLE venues`); err != nil {
		t.Fatal(err)
	}
	const searches = 10
	results := make(chan error, searches)
	for range searches {
		go func() {
			_, _, err := store.Shows(t.Context(), domain.ShowFilter{Event: "x"}, nil, 10)
			results <- err
		}()
	}
	running := 0
	deadline := time.After(10 * time.Second)
	refused, failed := 0, 0
	for refused+failed < searches {
		select {
		case err := <-results:
			if errors.Is(err, domain.ErrOverloaded) {
				refused++
			} else {
				failed++ // the time limit of the statement
			}
		case <-time.After(50 * time.Millisecond):
			running = max(running, testkit.Value[int](t, pool, `
				SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock'`))
		case <-deadline:
			t.Fatal("searches do not end")
		}
	}
	if running == 0 || running > repository.MaxSearches || refused == 0 {
		t.Errorf("%d searches ran at once, want 1 to %d; %d were refused", running, repository.MaxSearches, refused)
	}
}
