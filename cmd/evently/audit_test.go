package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/testkit"
)

func TestAudit_ReportsViolations(t *testing.T) {
	databaseURL, redisURL := testkit.DatabaseURL(t), testkit.RedisURL(t)
	pool := testkit.Connect(t, databaseURL)
	show := testkit.NewShow(t, pool, testkit.Show{})
	seats := testkit.SeatIDs(t, pool, show)
	user := testkit.NewUser(t, pool)
	booking := testkit.Value[int64](t, pool, `
		WITH booking AS (
			INSERT INTO bookings (user_id, show_id, seat_count, amount, lock_token, expires_at)
			VALUES ($1, $2, 1, 450, 'mine', now() + interval '10 minutes')
			RETURNING booking_id
		), item AS (
			INSERT INTO booking_seats (booking_id, seat_id, price) SELECT booking_id, $3, 450 FROM booking
		)
		SELECT booking_id FROM booking`, user, show, seats[0])
	testkit.Exec(t, pool, `
		UPDATE show_seats SET status = 'LOCKED', booking_id = $1, locked_at = now() WHERE seat_id = $2`, booking, seats[0])
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	set := func(key, token string, ttl time.Duration) {
		t.Helper()
		if err := client.Set(t.Context(), key, token, ttl).Err(); err != nil {
			t.Fatal(err)
		}
	}
	settings := []string{"DATABASE_URL=" + databaseURL, "REDIS_URL=" + redisURL, "REDIS_TIMEOUT=5s"}
	expect := func(code int, out, errOut string, settings []string, args ...string) {
		t.Helper()
		gotCode, gotOut, gotErr := evently(t, "", settings, append([]string{"audit"}, args...)...)
		if gotCode != code || !strings.Contains(gotOut, out) || !strings.Contains(gotErr, errOut) {
			t.Errorf("audit %v: exit code %d, want %d; out %q, want %q; err %q, want %q", args, gotCode, code, gotOut, out, gotErr, errOut)
		}
	}

	expect(exitUsage, "", "--limit must be", settings, "--limit", "0")
	expect(exitUsage, "", "must not be negative", settings, "--grace", "-1s")
	expect(exitUsage, "", "unknown command", settings, "all")
	expect(exitFailure, "", "DATABASE_URL: is required", nil)
	expect(exitOK, "seat locks were not checked", "", settings[:1])
	expect(exitOK, "0 violation(s)\n", "", settings)

	// Valid: the lock of a hold, a lock that ends soon, a foreign key.
	set("seat_lock:{"+text(show)+"}:"+text(seats[0]), "mine", time.Hour)
	set("seat_lock:{"+text(show)+"}:"+text(seats[1]), "of a request that died", time.Minute)
	set("seat_lock:other", "x", 0)
	expect(exitOK, "17 checks", "", settings)

	for name, lock := range map[string]struct {
		key, token string
		ttl        time.Duration
	}{
		"of another booking": {"seat_lock:{" + text(show) + "}:" + text(seats[0]), "other", time.Hour},
		"without a hold":     {"seat_lock:{" + text(show) + "}:" + text(seats[2]), "x", time.Hour},
		"without an end":     {"seat_lock:{" + text(show) + "}:" + text(seats[2]), "x", 0},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := client.Get(t.Context(), lock.key).Result()
			set(lock.key, lock.token, lock.ttl)
			expect(exitFailure, "seat_locks_agree: show "+text(show), "1 violation(s)", settings, "--settle", "1ms")
			if err == nil {
				set(lock.key, before, time.Hour)
			} else if err := client.Del(t.Context(), lock.key).Err(); err != nil {
				t.Fatal(err)
			}
		})
	}

	testkit.Exec(t, pool, `UPDATE bookings SET expires_at = now() - interval '4 minutes'`)
	expect(exitFailure, "holds_end_in_time: booking "+text(booking), "violation(s)", settings[:1])
	expect(exitOK, "", "", settings[:1], "--grace", "5m")
	// An incomplete audit fails.
	expect(exitFailure, "", "the audit was not finished", []string{settings[0], "REDIS_URL=redis://127.0.0.1:1", "REDIS_TIMEOUT=100ms"}, "--grace", "5m")
}

func text(id int64) string { return strconv.FormatInt(id, 10) }
