package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/internal/testkit"
)

// redis gives a client of the instance's Redis.
func (b *boxOffice) redis(t testing.TB) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(b.cfg.Redis.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// seatLocks gives the time to live of every seat lock in Redis.
func (b *boxOffice) seatLocks(t testing.TB) map[string]time.Duration {
	t.Helper()
	client := b.redis(t)
	keys, err := client.Keys(t.Context(), "seat_lock:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	locks := map[string]time.Duration{}
	for _, key := range keys {
		if locks[key], err = client.PTTL(t.Context(), key).Result(); err != nil {
			t.Fatal(err)
		}
	}
	return locks
}

func TestSeatLocksEndWithTheirHold(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "CLEANUP_SCHEDULE=@every 24h")
	user := b.user(t)
	var booking int64
	hold := func() {
		booking = b.hold(t, user, b.seats[0], b.seats[1])
		locks := b.seatLocks(t)
		if len(locks) != 2 {
			t.Fatalf("two seats have the locks %v", locks)
		}
		for key, ttl := range locks {
			if ttl <= 0 || ttl > 600*time.Second {
				t.Errorf("%s lives for %s, and the hold for 600 s", key, ttl)
			}
		}
	}
	for name, end := range map[string]func(){
		"cancel": func() { b.cancel(t, user, booking).want(t, http.StatusOK, "") },
		"confirm": func() {
			b.pay(t, user, booking, 900).want(t, http.StatusOK, "")
			b.confirm(t, user, booking).want(t, http.StatusOK, "")
			defer b.cancel(t, user, booking)
			if left := b.seatLocks(t); len(left) > 0 {
				t.Errorf("confirmed seats keep the locks %v", left)
			}
		},
		"met when over": func() {
			testkit.Expire(t, b.pool, booking)
			b.confirm(t, user, booking).want(t, http.StatusGone, "hold_expired")
		},
		"cleanup": func() {
			testkit.Expire(t, b.pool, booking)
			if n, err := b.Services().Bookings.ExpireDue(t.Context()); n != 1 || err != nil {
				t.Errorf("the cleanup ended %d holds, %v", n, err)
			}
		},
	} {
		hold()
		end()
		if left := b.seatLocks(t); len(left) > 0 {
			t.Errorf("%s left the locks %v", name, left)
		}
	}
}

func TestFiftyUsersOneSeat(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	crowd := b.users(t, 50)
	answers := atOnce(len(crowd), func(i int) response { return b.lock(t, crowd[i], b.seats[0]) })
	if diff := cmp.Diff(map[string]int{"200 ": 1, "409 seats_unavailable": 49}, answers); diff != "" {
		t.Error(diff)
	}
	b.audit(t)
}

func TestTwoInstancesOneSeat(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	second := &boxOffice{instance: startWith(t, b.cfg), pool: b.pool, show: b.show, seats: b.seats}
	crowd := b.users(t, 40)
	answers := atOnce(len(crowd), func(i int) response {
		office := b
		if i%2 == 1 {
			office = second
		}
		return office.lock(t, crowd[i], b.seats[0], b.seats[1])
	})
	if diff := cmp.Diff(map[string]int{"200 ": 1, "409 seats_unavailable": 39}, answers); diff != "" {
		t.Error(diff)
	}
	b.audit(t)
}

func TestCrossingSeatSetsInOppositeOrder(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	crowd := b.users(t, 30)
	answers := atOnce(len(crowd), func(i int) response {
		if i%2 == 0 {
			return b.lock(t, crowd[i], b.seats[0], b.seats[1], b.seats[2], b.seats[3])
		}
		return b.lock(t, crowd[i], b.seats[5], b.seats[4], b.seats[3], b.seats[2])
	})
	if answers["200 "]+answers["409 seats_unavailable"] != len(crowd) {
		t.Errorf("answers: %v", answers)
	}
	// Both sets are whole or free: four seats at a time, and both need seats 2 and 3.
	if locked := b.statuses(t)["LOCKED"]; answers["200 "] > 1 || locked != 4*answers["200 "] {
		t.Errorf("%d winners hold %d seats", answers["200 "], locked)
	}
	b.audit(t)
}

func TestLock_UserLimitHoldsAgainstParallelLocks(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "MAX_SEATS_PER_USER_PER_SHOW=3")
	user := b.user(t)
	answers := atOnce(10, func(i int) response { return b.lock(t, user, b.seats[i]) })
	if answers["200 "] != 3 || b.statuses(t)["LOCKED"] != 3 {
		t.Errorf("the limit of 3 seats gave %v", answers)
	}
	b.audit(t)
}

func TestTwoPaymentsAtOnce(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)
	booking := b.hold(t, user, b.seats[0])
	transactions := make([]any, 8)
	atOnce(len(transactions), func(i int) response {
		answer := b.pay(t, user, booking, 450)
		transactions[i] = answer.body["transaction_id"]
		return answer
	})
	for _, id := range transactions {
		if id == nil || id != transactions[0] {
			t.Fatalf("one booking was paid by %v", transactions)
		}
	}
	if n := testkit.Value[int](t, b.pool, `SELECT count(*) FROM payments`); n != 1 {
		t.Errorf("%d payments", n)
	}
	b.audit(t)
}

func TestConfirmAgainstCancelOverHTTP(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)
	for range 15 {
		booking := b.hold(t, user, b.seats[0])
		b.pay(t, user, booking, 450).want(t, http.StatusOK, "")
		answers := atOnce(2, func(i int) response {
			if i == 0 {
				return b.confirm(t, user, booking)
			}
			return b.cancel(t, user, booking)
		})
		// The cancel always goes through: before the confirm, which then comes too late, or after it.
		if answers["200 "]+answers["409 booking_not_pending"] != 2 || b.booking(t, user, booking)["status"] != "CANCELLED" {
			t.Fatalf("answers: %v", answers)
		}
		b.audit(t)
	}
}

func TestCancelAgainstExpiryOverHTTP(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)
	for range 15 {
		booking := b.hold(t, user, b.seats[0])
		b.pay(t, user, booking, 450).want(t, http.StatusOK, "")
		testkit.Expire(t, b.pool, booking)
		answers := atOnce(3, func(i int) response {
			switch i {
			case 0:
				return b.cancel(t, user, booking)
			case 1:
				return b.confirm(t, user, booking)
			default:
				if _, err := b.Services().Bookings.ExpireDue(t.Context()); err != nil {
					t.Error(err)
				}
				return response{}
			}
		})
		if answers["409 booking_already_cancelled"] != 1 || answers["410 hold_expired"] != 1 {
			t.Fatalf("answers: %v", answers)
		}
		if got := b.booking(t, user, booking); got["cancel_reason"] != "expired" {
			t.Fatalf("the booking reads %v", got)
		}
		b.flushRedis(t)
		b.audit(t)
	}
}
