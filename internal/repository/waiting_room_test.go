package repository_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/testkit"
)

func TestRoomOverrides(t *testing.T) {
	t.Parallel()
	pool := testkit.Pool(t)
	store := repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
	show := testkit.NewShow(t, pool, testkit.Show{})
	check := func(want domain.RoomOverrides) {
		t.Helper()
		got, err := store.RoomOverrides(t.Context(), show)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	change := func(c domain.RoomChange, want domain.RoomOverrides) {
		t.Helper()
		got, err := store.ChangeRoomOverrides(t.Context(), show, c)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		check(want)
	}
	set := func(n int64) domain.Change[int64] { return domain.Change[int64]{Set: true, Value: &n} }
	mode := domain.RoomClosed

	check(domain.RoomOverrides{})
	change(domain.RoomChange{MaxUsers: set(9)}, domain.RoomOverrides{MaxUsers: new(int64(9)), Version: 1})
	change(domain.RoomChange{BatchSize: set(3), Mode: domain.Change[domain.RoomMode]{Set: true, Value: &mode}},
		domain.RoomOverrides{Mode: &mode, MaxUsers: new(int64(9)), BatchSize: new(int64(3)), Version: 2})
	change(domain.RoomChange{Mode: domain.Change[domain.RoomMode]{Set: true}, MaxUsers: domain.Change[int64]{Set: true}},
		domain.RoomOverrides{BatchSize: new(int64(3)), Version: 3})

	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := store.ChangeRoomOverrides(t.Context(), show, domain.RoomChange{MaxUsers: set(1)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	check(domain.RoomOverrides{MaxUsers: new(int64(1)), BatchSize: new(int64(3)), Version: 13})
}

func TestRoomOverridesOfAShowThatIsNotThere(t *testing.T) {
	t.Parallel()
	pool := testkit.Pool(t)
	store := repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
	hidden := testkit.NewShow(t, pool, testkit.Show{})
	testkit.Exec(t, pool, `UPDATE shows SET deleted_at = now() WHERE show_id = $1`, hidden)
	for name, id := range map[string]int64{"missing": hidden + 1, "hidden": hidden} {
		if _, err := store.RoomOverrides(t.Context(), id); !errors.Is(err, domain.ErrShowNotFound) {
			t.Errorf("%s: read: %v", name, err)
		}
		if _, err := store.ChangeRoomOverrides(t.Context(), id, domain.RoomChange{}); !errors.Is(err, domain.ErrShowNotFound) {
			t.Errorf("%s: change: %v", name, err)
		}
	}
}
