package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/testkit"
)

// behindProxies opens a box office whose stores can be taken away. Its own pool leads past the proxy.
func behindProxies(t testing.TB, settings ...string) (b *boxOffice, database, redis *proxy) {
	t.Helper()
	direct := testkit.DatabaseURL(t)
	database, databaseURL := newProxy(t, direct)
	redis, redisURL := newProxy(t, testkit.RedisURL(t))
	i := start(t, append(settings, "DATABASE_URL="+databaseURL, "REDIS_URL="+redisURL)...)
	pool := testkit.Connect(t, direct)
	show := testkit.NewShow(t, pool, testkit.Show{})
	return &boxOffice{instance: i, pool: pool, show: show, seats: testkit.SeatIDs(t, pool, show)}, database, redis
}

// Redis goes away, or falls silent, while people book: PostgreSQL alone decides, and nobody waits
// for Redis longer than its timeout. When it is back it is used again.
func TestBookingGoesOnWhenRedisGoes(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]proxyMode{"refusing": refusing, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Many tests at once on a small machine: the database may take its time.
			b, _, redis := behindProxies(t, "DATABASE_ACQUIRE_TIMEOUT=30s", "DATABASE_QUERY_TIMEOUT=30s")
			before := b.customer(t)
			held := before.hold(t, b.seats[0])
			redis.set(mode)

			crowd := b.users(t, 20)
			answers := atOnce(len(crowd), func(i int) response { return b.lock(t, crowd[i], b.seats[1], b.seats[2]) })
			if diff := cmp.Diff(map[string]int{"200 ": 1, "409 seats_unavailable": 19}, answers); diff != "" {
				t.Error(diff)
			}
			// What was locked before, with Redis, is held without it.
			b.lock(t, crowd[0], b.seats[0]).want(t, http.StatusConflict, "seats_unavailable")
			before.pay(t, held, 1)
			before.post(t, bookingPath(held, "confirm"), "", nil).want(t, http.StatusOK, "")
			before.post(t, bookingPath(held, "cancel"), "", nil).want(t, http.StatusOK, "")
			b.await(t, "/health", http.StatusOK, "status", "DEGRADED")
			b.await(t, "/health/ready", http.StatusOK, "status", "OK")
			// The lock of the first hold could not be released: its seat may be late, not lost.

			redis.set(refusing)
			redis.set(passing)
			b.await(t, "/health", http.StatusOK, "status", "OK")
			client := b.redis(t)
			user := b.customer(t)
			eventually(t, "seats are locked in Redis again", func() bool {
				answer := user.post(t, "lock", "", user.lockBody(b.seats[9]))
				n, err := client.Exists(t.Context(), fmt.Sprintf("seat_lock:{%d}:%d", b.show, b.seats[9])).Result()
				if err != nil {
					t.Fatal(err)
				}
				// A lock whose release was lost on the way is one that Redis was asked for, too.
				if answer.status == http.StatusOK {
					user.post(t, bookingPath(bookingOf(answer), "cancel"), "", nil).want(t, http.StatusOK, "")
				}
				return n == 1
			})
			b.audit(t)
		})
	}
}

// PostgreSQL goes away under load: everybody is told 503 and when to come again, nobody hangs, and
// what was half done is done once when it is back, without a restart.
func TestPostgreSQLGoesAndComesBack(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]proxyMode{"refusing": refusing, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, database, _ := behindProxies(t, "DATABASE_QUERY_TIMEOUT=1s")
			crowd := make([]customer, 30)
			for i := range crowd {
				crowd[i] = b.customer(t)
			}
			first := crowd[0].post(t, "lock", "k0", crowd[0].lockBody(b.seats[0])).want(t, http.StatusOK, "")
			database.set(mode)
			answers := atOnce(len(crowd), func(i int) response {
				answer := crowd[i].post(t, "lock", fmt.Sprint("k", i), crowd[i].lockBody(b.seats[0]))
				seconds, err := strconv.Atoi(answer.header.Get("Retry-After"))
				if err != nil || seconds < 1 {
					t.Errorf("Retry-After %q", answer.header.Get("Retry-After"))
				}
				return answer
			})
			if n := answers["503 database_unavailable"] + answers["503 overloaded"]; n != len(crowd) {
				t.Errorf("answers %v", answers)
			}
			database.set(refusing)
			database.set(passing)
			b.await(t, "/health/ready", http.StatusOK, "status", "OK")
			same(t, first, crowd[0].post(t, "lock", "k0", crowd[0].lockBody(b.seats[0])))
			crowd[1].post(t, "lock", "k1", crowd[1].lockBody(b.seats[0])).want(t, http.StatusConflict, "seats_unavailable")
			crowd[1].post(t, "lock", "k1", crowd[1].lockBody(b.seats[1])).want(t, http.StatusOK, "")
			b.audit(t)
		})
	}
}

// An instance stands still in the middle of a transaction, with seats locked, and its connection
// stays. The server gives it up, and the seats go to others.
func TestATransactionThatStandsStillLosesItsLocks(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "DATABASE_QUERY_TIMEOUT=1s")
	user := testkit.NewUser(t, b.pool)
	held, freed, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- b.Services().Store.InTx(t.Context(), func(ctx context.Context) error {
			_, err := b.Services().Store.LoadHold(ctx, domain.HoldRequest{UserID: user, ShowID: b.show, SeatIDs: b.seats[:1]})
			close(held)
			<-freed
			return err
		})
	}()
	<-held
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := b.pool.Exec(ctx, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, b.seats[0])
	close(freed)
	if err != nil {
		t.Errorf("the seat stays locked: %v", err)
	}
	if err := <-ended; !errors.Is(err, domain.ErrDatabaseUnavailable) {
		t.Errorf("it ended with %v", err)
	}
	b.customer(t).post(t, "lock", "", map[string]any{"show_id": b.show, "seat_ids": b.seats[:1]}).want(t, http.StatusOK, "")
	b.audit(t)
}

// The connection breaks after a COMMIT was sent and before its answer came: nobody knows how it
// ended. A repeat with the same key finds out, and does not book twice.
func TestAnUnknownOutcomeIsFoundOutByARepeat(t *testing.T) {
	t.Parallel()
	b, database, _ := behindProxies(t, "DATABASE_QUERY_TIMEOUT=1s")
	user := b.customer(t)
	body := user.lockBody(b.seats[0])
	// A row lock holds the request; the silence that falls meanwhile hides its end from the service.
	unlock := b.lockRow(t, `SELECT FROM shows WHERE show_id = $1 FOR UPDATE`, b.show)
	answer := user.inBackground(t, user.posting("lock", "k", body))
	b.blocked(t, 1)
	database.set(silent)
	unlock()
	(<-answer).want(t, http.StatusServiceUnavailable, "database_unavailable")
	database.set(refusing)
	database.set(passing)
	eventually(t, "the repeat is told", func() bool {
		again := user.post(t, "lock", "k", body)
		if again.code() == "idempotency_in_progress" { // the claim could not be given back in the silence
			testkit.Exec(t, b.pool, `UPDATE idempotency_keys SET claimed_until = now()`)
			b.flushRedis(t)
		}
		return again.status == http.StatusOK
	})
	if n := testkit.Value[int](t, b.pool, `SELECT count(*) FROM bookings WHERE status <> 'CANCELLED'`); n != 1 {
		t.Errorf("%d bookings", n)
	}
	b.audit(t)
}

// More requests than connections: so many may wait, the next is told at once, and nothing piles up.
func TestMoreThanMayWaitAreToldAtOnce(t *testing.T) {
	t.Parallel()
	const waiting = 5
	b := openBoxOffice(t, "DATABASE_MAX_CONNS=1", "DATABASE_MAX_WAITING="+strconv.Itoa(waiting),
		"DATABASE_ACQUIRE_TIMEOUT=30s", "DATABASE_QUERY_TIMEOUT=30s")
	user := b.customer(t)
	unlock := b.lockRow(t, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, b.seats[0])
	first := user.inBackground(t, user.posting("lock", "", user.lockBody(b.seats[0])))
	b.blocked(t, 1) // the one connection is in use

	answers := make(chan response, 100)
	for range cap(answers) {
		// Not the public lists: those who ask for the same one share a query.
		go func() { answers <- b.send(t, request{path: "/api/v1/user/bookings", token: user.token}) }()
	}
	next := func() response {
		select {
		case answer := <-answers:
			return answer
		case <-time.After(20 * time.Second):
			t.Fatal("more wait than may")
			return response{}
		}
	}
	// None of those who wait can be answered before the first, so these are the others, told at once.
	for range cap(answers) - waiting {
		answer := next().want(t, http.StatusServiceUnavailable, "overloaded")
		if answer.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	unlock()
	(<-first).want(t, http.StatusOK, "")
	for range waiting {
		next().want(t, http.StatusOK, "")
	}
}

// Those who may wait do so for a bounded time.
func TestWaitingForAConnectionIsBounded(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "DATABASE_MAX_CONNS=1", "DATABASE_ACQUIRE_TIMEOUT=50ms", "DATABASE_QUERY_TIMEOUT=30s")
	user := b.customer(t)
	unlock := b.lockRow(t, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, b.seats[0])
	first := user.inBackground(t, user.posting("lock", "", user.lockBody(b.seats[0])))
	b.blocked(t, 1)
	answers := atOnce(20, func(int) response { return b.send(t, request{path: "/api/v1/shows"}) })
	if diff := cmp.Diff(map[string]int{"503 overloaded": 20}, answers); diff != "" {
		t.Error(diff)
	}
	// Busy is not down.
	b.await(t, "/health", http.StatusOK, "status", "DEGRADED")
	b.await(t, "/health/ready", http.StatusOK, "status", "OK")
	unlock()
	(<-first).want(t, http.StatusOK, "")
}

// A client that sends a byte now and then has its connection closed, and holds nothing meanwhile:
// with one connection to the database and many such clients, others are served.
func TestSlowClientsHoldNothing(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "DATABASE_MAX_CONNS=1", "DATABASE_MAX_WAITING=1", "HTTP_READ_HEADER_TIMEOUT=2s", "HTTP_READ_TIMEOUT=3s")
	user := b.customer(t)
	heads := map[string]string{
		"in its headers": "POST /api/v1/bookings/lock HTTP/1.1\r\nHost: x\r\nAuthoriz",
		"in its body": "POST /api/v1/bookings/lock HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n" +
			"Authorization: Bearer " + user.token + "\r\nContent-Length: 100\r\n\r\n{",
	}
	closed := make(chan struct{}, 20)
	for _, head := range heads {
		for range cap(closed) / len(heads) {
			conn, err := dial(t, b.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if _, err := io.WriteString(conn, head); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn) // to the end, however that comes
				closed <- struct{}{}
			}()
		}
	}
	b.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
	user.post(t, "lock", "", user.lockBody(b.seats[0])).want(t, http.StatusOK, "")
	for range cap(closed) {
		<-closed
	}
	if n := testkit.Value[int](t, b.pool, `SELECT count(*) FROM idempotency_keys`); n != 0 {
		t.Errorf("%d keys were claimed by requests that never came whole", n)
	}
}

// A client that asks for much and reads none of it has its connection closed when HTTP_WRITE_TIMEOUT
// is over, and holds nothing but that meanwhile.
func TestClientsThatDoNotReadAreCutOff(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "HTTP_WRITE_TIMEOUT=1s", "DATABASE_MAX_CONNS=1", "DATABASE_MAX_WAITING=1", "RATE_LIMIT_PER_MINUTE=0")
	const clients = 10
	ask := strings.Repeat("GET /api-docs/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 50)
	closed := make(chan struct{}, clients)
	for range clients {
		conn, err := dial(t, b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		go func() {
			// It asks on and on. The server stops reading when it cannot write, and then closes.
			for {
				if _, err := io.WriteString(conn, ask); err != nil {
					closed <- struct{}{}
					return
				}
			}
		}()
	}
	b.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
	for range clients {
		select {
		case <-closed:
		case <-time.After(30 * time.Second):
			t.Fatal("a client that does not read keeps its connection")
		}
	}
}
