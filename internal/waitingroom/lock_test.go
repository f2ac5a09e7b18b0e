package waitingroom

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/seatlock"
)

// lockTTL is not a time that anything else has.
const lockTTL = 77 * time.Second

func withLocks(o *Options) {
	o.SeatLocks = SeatLocks{Keys: seatlock.Keys, Take: seatlock.TakeSource(), Give: seatlock.GiveSource(), TTL: lockTTL}
}

// held gives the tokens of the locks of the show's seats.
func held(t *testing.T, f *fixture) map[int64]string {
	t.Helper()
	tokens := map[int64]string{}
	for seat := range int64(10) {
		key := seatlock.Keys(show, []int64{seat})[0]
		if token, err := f.client.Get(t.Context(), key).Result(); err == nil {
			tokens[seat] = token
		}
	}
	return tokens
}

// Who is admitted has all of the seats locked, or none, and hears of those that somebody else has; who
// waits gets no lock.
func TestWhoIsAdmittedLocksInTheSameRoundTrip(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 1, 1), withLocks)
	f.enter(t, 9) // loads the settings
	if err := f.Settle(t.Context(), 9, domain.SeatLock{ShowID: show}); err != nil {
		t.Fatal(err)
	}
	count := &counting{}
	f.client.AddHook(count)
	for _, c := range []struct {
		user         int64
		token        string
		seats, taken []int64
		room         domain.RoomState
		state        domain.LockState
		want         map[int64]string
	}{
		{1, "a", []int64{2, 4}, nil, domain.RoomAdmitted, domain.LockHeld, map[int64]string{2: "a", 4: "a"}},                        // comes in
		{1, "b", []int64{1, 2, 4}, []int64{2, 4}, domain.RoomAdmitted, domain.LockLost, map[int64]string{2: "a", 4: "a"}},           // is in
		{1, "b", []int64{1, 3}, nil, domain.RoomAdmitted, domain.LockHeld, map[int64]string{1: "b", 2: "a", 3: "b", 4: "a"}},        // the same
		{1, "b", []int64{1, 3}, nil, domain.RoomAdmitted, domain.LockHeld, map[int64]string{1: "b", 2: "a", 3: "b", 4: "a"}},        // its answer was lost
		{2, "c", []int64{5}, nil, domain.RoomWaiting, domain.LockUntried, map[int64]string{1: "b", 2: "a", 3: "b", 4: "a"}},         // has to wait
		{2, "c", []int64{1, 5}, nil, domain.RoomWaiting, domain.LockUntried, map[int64]string{1: "b", 2: "a", 3: "b", 4: "a"}},      // still
		{1, "d", []int64{4, 5}, []int64{4}, domain.RoomAdmitted, domain.LockLost, map[int64]string{1: "b", 2: "a", 3: "b", 4: "a"}}, // nothing of 5 is left
	} {
		before := count.n
		lock := &domain.EarlyLock{SeatLock: domain.SeatLock{ShowID: show, SeatIDs: c.seats, Token: c.token}}
		status, err := f.EnterToLock(t.Context(), c.user, lock)
		if err != nil || status.State != c.room || lock.State != c.state || !slices.Equal(lock.Taken, c.taken) {
			t.Errorf("user %d wants %v: %s, %+v, %v", c.user, c.seats, status.State, lock, err)
		}
		// Who waits for the first time has a tick scheduled, which asks Redis too.
		if trips := count.n - before; trips != 1 && c.room == domain.RoomAdmitted {
			t.Errorf("user %d wants %v: %d round trips", c.user, c.seats, trips)
		}
		if got := held(t, f); !maps.Equal(got, c.want) {
			t.Errorf("user %d wanted %v: locked are %v, want %v", c.user, c.seats, got, c.want)
		}
	}
	for _, key := range seatlock.Keys(show, []int64{1, 2, 3, 4}) {
		if ttl := f.client.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > lockTTL {
			t.Errorf("%s lasts for %s", key, ttl)
		}
	}
}

// Nobody can know what a Redis has done that did not answer; one that was not asked has done nothing.
func TestTheStateOfLocksWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	f := setup(t, withLocks)
	client, wire := wired(t, f.client)
	options := f.options
	options.Cooldown = time.Hour
	room := New(client, f.store, options, logger())
	lockWith := func(ctx context.Context, showID int64) (domain.LockState, error) {
		lock := &domain.EarlyLock{SeatLock: domain.SeatLock{ShowID: showID, SeatIDs: []int64{1}, Token: "a"}}
		_, err := room.EnterToLock(ctx, 1, lock)
		return lock.State, err
	}
	lock := func(showID int64) (domain.LockState, error) { return lockWith(t.Context(), showID) }
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if state, err := lockWith(gone, show); !errors.Is(err, context.Canceled) || state != domain.LockUntried {
		t.Errorf("the client has gone before Redis was asked: state %d, %v", state, err)
	}
	f.store.gone[8] = true
	if state, err := lock(8); !errors.Is(err, domain.ErrShowNotFound) || state != domain.LockUntried {
		t.Errorf("a show that is not there: state %d, %v", state, err)
	}
	wire.cut()
	for range failuresToOpen {
		if state, err := lock(show); !errors.Is(err, domain.ErrWaitingRoomUnavailable) || state != domain.LockUnknown {
			t.Errorf("Redis does not answer: state %d, %v", state, err)
		}
	}
	if state, err := lock(show); !errors.Is(err, domain.ErrWaitingRoomUnavailable) || state != domain.LockUntried {
		t.Errorf("Redis is left alone: state %d, %v", state, err)
	}
}

// A Redis that will not write, as one that is full, leaves who is admitted to PostgreSQL, and no lock behind.
func TestWhoIsAdmittedPassesARedisThatWillNotWrite(t *testing.T) {
	t.Parallel()
	f := setup(t, withLocks)
	f.enter(t, 1)
	seats := []int64{1, 2}
	if err := f.client.Do(t.Context(), "ACL", "SETUSER", "unwilling", "reset", "on", "nopass", "~*", "+@all", "-set").Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.client.Do(context.Background(), "ACL", "DELUSER", "unwilling").Err() })
	options := *f.client.Options()
	options.Username, options.Password, options.CredentialsProviderContext = "unwilling", "any", nil
	client := redis.NewClient(&options)
	t.Cleanup(func() { _ = client.Close() })
	room := New(client, f.store, f.options, logger())
	lock := &domain.EarlyLock{SeatLock: domain.SeatLock{ShowID: show, SeatIDs: seats, Token: "mine"}}
	status, err := room.EnterToLock(t.Context(), 1, lock)
	if err != nil || status.State != domain.RoomAdmitted || lock.State != domain.LockUntried || len(lock.Taken) > 0 {
		t.Errorf("%s, %+v, %v", status.State, lock, err)
	}
	if got := held(t, f); len(got) > 0 {
		t.Errorf("locked are %v", got)
	}
	if _, err := seatlock.New(client, seatlock.Options{}).Acquire(t.Context(), lock.SeatLock, time.Minute); err == nil {
		t.Error("a lock that cannot be written is no error")
	}
}

// What is settled gives back admission and locks in one round trip; locks that somebody else has by now stay.
func TestSettleGivesBackAdmissionAndLocks(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 1, 1), withLocks)
	lock := domain.SeatLock{ShowID: show, SeatIDs: []int64{1, 2, 3}, Token: "mine"}
	if _, err := f.EnterToLock(t.Context(), 1, &domain.EarlyLock{SeatLock: lock}); err != nil {
		t.Fatal(err)
	}
	if err := f.client.Set(t.Context(), seatlock.Keys(show, []int64{2})[0], "somebody's", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := f.Settle(t.Context(), 1, lock); err != nil { // loads the script
		t.Fatal(err)
	}
	if got, want := held(t, f), map[int64]string{2: "somebody's"}; !maps.Equal(got, want) {
		t.Errorf("locked are %v, want %v", got, want)
	}
	if status := f.ask(t, 1); status.State != domain.RoomNone {
		t.Errorf("the user is %s", status.State)
	}
	// Who is not admitted any more gives back their locks all the same.
	lock = domain.SeatLock{ShowID: show, SeatIDs: []int64{4}, Token: "mine"}
	if err := f.client.Set(t.Context(), seatlock.Keys(show, lock.SeatIDs)[0], "mine", 0).Err(); err != nil {
		t.Fatal(err)
	}
	count := &counting{}
	f.client.AddHook(count)
	if err := f.Settle(t.Context(), 1, lock); err != nil || count.n != 1 {
		t.Errorf("%v after %d round trips", err, count.n)
	}
	if got := held(t, f); len(got) != 1 {
		t.Errorf("locked are %v", got)
	}
}
