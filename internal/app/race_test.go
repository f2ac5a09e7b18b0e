package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/internal/testkit"
)

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

func TestSeatLocks_AreReleasedWithTheirHold(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "CLEANUP_SCHEDULE=@every 24h")
	user := b.user(t)
	var booking int64
	hold := func() {
		booking = b.hold(t, user, b.seats[0], b.seats[1])
		locks := b.seatLocks(t)
		if len(locks) != 2 {
			t.Fatalf("locks of two seats: %v", locks)
		}
		for key, ttl := range locks {
			if ttl <= 0 || ttl > 600*time.Second {
				t.Errorf("%s expires in %s, the hold in 600 s", key, ttl)
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
				t.Errorf("confirmed seats have the locks %v", left)
			}
		},
		"confirm too late": func() {
			testkit.Expire(t, b.pool, booking)
			b.confirm(t, user, booking).want(t, http.StatusGone, "hold_expired")
		},
		"cleanup": func() {
			testkit.Expire(t, b.pool, booking)
			if n, err := b.Services().Bookings.ExpireDue(t.Context()); n != 1 || err != nil {
				t.Errorf("%d holds expired, %v", n, err)
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

func TestLock_FiftyUsersOneSeat(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	crowd := b.users(t, 50)
	responses := atOnce(len(crowd), func(i int) response { return b.lock(t, crowd[i], b.seats[0]) })
	if diff := cmp.Diff(map[string]int{"200 ": 1, "409 seats_unavailable": 49}, responses); diff != "" {
		t.Error(diff)
	}
	b.audit(t)
}

func TestLock_TwoInstancesOneSeat(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	second := &boxOffice{instance: startWith(t, b.cfg), pool: b.pool, show: b.show, seats: b.seats}
	crowd := b.users(t, 40)
	responses := atOnce(len(crowd), func(i int) response {
		office := b
		if i%2 == 1 {
			office = second
		}
		return office.lock(t, crowd[i], b.seats[0], b.seats[1])
	})
	if diff := cmp.Diff(map[string]int{"200 ": 1, "409 seats_unavailable": 39}, responses); diff != "" {
		t.Error(diff)
	}
	b.audit(t)
}

func TestLock_OverlappingSeatsInOppositeOrder(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	crowd := b.users(t, 30)
	responses := atOnce(len(crowd), func(i int) response {
		if i%2 == 0 {
			return b.lock(t, crowd[i], b.seats[0], b.seats[1], b.seats[2], b.seats[3])
		}
		return b.lock(t, crowd[i], b.seats[5], b.seats[4], b.seats[3], b.seats[2])
	})
	if responses["200 "]+responses["409 seats_unavailable"] != len(crowd) {
		t.Errorf("responses: %v", responses)
	}
	// Both sets contain seats 2 and 3, so one user holds a whole set.
	if locked := b.statuses(t)["LOCKED"]; responses["200 "] > 1 || locked != 4*responses["200 "] {
		t.Errorf("%d winners hold %d seats", responses["200 "], locked)
	}
	b.audit(t)
}

func TestLock_UserLimitHoldsAgainstParallelLocks(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "MAX_SEATS_PER_USER_PER_SHOW=3")
	user := b.user(t)
	responses := atOnce(10, func(i int) response { return b.lock(t, user, b.seats[i]) })
	if responses["200 "] != 3 || b.statuses(t)["LOCKED"] != 3 {
		t.Errorf("limit of 3 seats: %v", responses)
	}
	b.audit(t)
}

func TestPay_ConcurrentRequestsAreOnePayment(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)
	booking := b.hold(t, user, b.seats[0])
	transactions := make([]any, 8)
	atOnce(len(transactions), func(i int) response {
		got := b.pay(t, user, booking, 450)
		transactions[i] = got.body["transaction_id"]
		return got
	})
	for _, id := range transactions {
		if id == nil || id != transactions[0] {
			t.Fatalf("transactions of one booking: %v", transactions)
		}
	}
	if n := testkit.Value[int](t, b.pool, `SELECT count(*) FROM payments`); n != 1 {
		t.Errorf("%d payments", n)
	}
	b.audit(t)
}

func TestConfirm_RacesCancel(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	for range 15 {
		user := b.user(t)
		booking := b.hold(t, user, b.seats[0])
		b.pay(t, user, booking, 450).want(t, http.StatusOK, "")
		responses := atOnce(2, func(i int) response {
			if i == 0 {
				return b.confirm(t, user, booking)
			}
			return b.cancel(t, user, booking)
		})
		// The cancel succeeds, before the confirm or after it.
		if responses["200 "]+responses["409 booking_not_pending"] != 2 || b.booking(t, user, booking)["status"] != "CANCELLED" {
			t.Fatalf("responses: %v", responses)
		}
		b.audit(t)
	}
}

func TestCancel_RacesExpiry(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	for range 15 {
		user := b.user(t)
		booking := b.hold(t, user, b.seats[0])
		b.pay(t, user, booking, 450).want(t, http.StatusOK, "")
		testkit.Expire(t, b.pool, booking)
		responses := atOnce(3, func(i int) response {
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
		if responses["409 booking_already_cancelled"] != 1 || responses["410 hold_expired"] != 1 {
			t.Fatalf("responses: %v", responses)
		}
		if got := b.booking(t, user, booking); got["cancel_reason"] != "expired" {
			t.Fatalf("booking: %v", got)
		}
		b.flushRedis(t)
		b.audit(t)
	}
}
