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

// behindProxies opens a box office whose stores are behind proxies. Its own pool connects directly.
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

// Without Redis, PostgreSQL alone decides. When Redis is back it is used again.
func TestRedisOutage_BookingGoesOn(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]proxyMode{"refusing": refusing, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The database may be slow while many tests run at once.
			b, _, redis := behindProxies(t, "DATABASE_ACQUIRE_TIMEOUT=30s", "DATABASE_QUERY_TIMEOUT=30s")
			before := b.customer(t)
			held := before.hold(t, b.seats[0])
			redis.set(mode)

			crowd := b.users(t, 20)
			responses := atOnce(len(crowd), func(i int) response { return b.lock(t, crowd[i], b.seats[1], b.seats[2]) })
			if diff := cmp.Diff(map[string]int{"200 ": 1, "409 seats_unavailable": 19}, responses); diff != "" {
				t.Error(diff)
			}
			b.lock(t, crowd[0], b.seats[0]).want(t, http.StatusConflict, "seats_unavailable")
			before.pay(t, held, 1)
			before.post(t, bookingPath(held, "confirm"), "", nil).want(t, http.StatusOK, "")
			before.post(t, bookingPath(held, "cancel"), "", nil).want(t, http.StatusOK, "")
			b.await(t, "/health", http.StatusOK, "status", "DEGRADED")
			b.await(t, "/health/ready", http.StatusOK, "status", "OK")

			redis.set(refusing) // closes the silent connections
			redis.set(passing)
			b.await(t, "/health", http.StatusOK, "status", "OK")
			client := b.redis(t)
			eventually(t, "seat locks in Redis", func() bool {
				user := b.customer(t)
				got := user.post(t, "lock", "", user.lockBody(b.seats[9]))
				n, err := client.Exists(t.Context(), fmt.Sprintf("seat_lock:{%d}:%d", b.show, b.seats[9])).Result()
				if err != nil {
					t.Fatal(err)
				}
				if got.status == http.StatusOK {
					user.post(t, bookingPath(bookingOf(got), "cancel"), "", nil).want(t, http.StatusOK, "")
				}
				return n == 1
			})
			b.audit(t)
		})
	}
}

// During an outage requests fail with 503 and Retry-After. After it, repeats with a key book once.
func TestDatabaseOutage_BookingResumesAfterIt(t *testing.T) {
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
			responses := atOnce(len(crowd), func(i int) response {
				got := crowd[i].post(t, "lock", fmt.Sprint("k", i), crowd[i].lockBody(b.seats[0]))
				seconds, err := strconv.Atoi(got.header.Get("Retry-After"))
				if err != nil || seconds < 1 {
					t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
				}
				return got
			})
			if n := responses["503 database_unavailable"] + responses["503 overloaded"]; n != len(crowd) {
				t.Errorf("responses: %v", responses)
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

func TestInTx_IdleTransactionLosesItsLocks(t *testing.T) {
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
		t.Errorf("InTx returned %v", err)
	}
	b.customer(t).post(t, "lock", "", map[string]any{"show_id": b.show, "seat_ids": b.seats[:1]}).want(t, http.StatusOK, "")
	b.audit(t)
}

// The connection breaks between COMMIT and its response. A repeat with the key does not book twice.
func TestIdempotency_RepeatFindsAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	b, database, _ := behindProxies(t, "DATABASE_QUERY_TIMEOUT=1s")
	user := b.customer(t)
	body := user.lockBody(b.seats[0])
	// The request waits for a row lock when the connection falls silent.
	unlock := b.lockRow(t, `SELECT FROM shows WHERE show_id = $1 FOR UPDATE`, b.show)
	got := user.inBackground(t, user.posting("lock", "k", body))
	b.blocked(t, 1)
	database.set(silent)
	unlock()
	(<-got).want(t, http.StatusServiceUnavailable, "database_unavailable")
	database.set(refusing)
	database.set(passing)
	b.await(t, "/health/ready", http.StatusOK, "status", "OK")
	b.untilUnlocked(t)
	user.post(t, "lock", "k", body).want(t, http.StatusOK, "")
	if n := testkit.Value[int](t, b.pool, `SELECT count(*) FROM bookings WHERE status <> 'CANCELLED'`); n != 1 {
		t.Errorf("%d bookings", n)
	}
	b.audit(t)
}

func TestPool_RequestBeyondTheQueueIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	const waiting = 5
	b := openBoxOffice(t, "DATABASE_MAX_CONNS=1", "DATABASE_MAX_WAITING="+strconv.Itoa(waiting),
		"DATABASE_ACQUIRE_TIMEOUT=30s", "DATABASE_QUERY_TIMEOUT=30s")
	user := b.customer(t)
	unlock := b.lockRow(t, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, b.seats[0])
	first := user.inBackground(t, user.posting("lock", "", user.lockBody(b.seats[0])))
	b.blocked(t, 1) // uses the only connection

	responses := make(chan response, 100)
	for range cap(responses) {
		// Requests for the same public list would share a query.
		go func() { responses <- b.send(t, request{path: "/api/v1/user/bookings", token: user.token}) }()
	}
	next := func() response {
		select {
		case got := <-responses:
			return got
		case <-time.After(20 * time.Second):
			t.Fatal("too many requests wait")
			return response{}
		}
	}
	// Those that wait respond after the first, so these are the others.
	for range cap(responses) - waiting {
		got := next().want(t, http.StatusServiceUnavailable, "overloaded")
		if got.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	unlock()
	(<-first).want(t, http.StatusOK, "")
	for range waiting {
		next().want(t, http.StatusOK, "")
	}
}

func TestPool_WaitIsBounded(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "DATABASE_MAX_CONNS=1", "DATABASE_ACQUIRE_TIMEOUT=50ms", "DATABASE_QUERY_TIMEOUT=30s")
	user := b.customer(t)
	unlock := b.lockRow(t, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, b.seats[0])
	first := user.inBackground(t, user.posting("lock", "", user.lockBody(b.seats[0])))
	b.blocked(t, 1)
	responses := atOnce(20, func(int) response { return b.send(t, request{path: "/api/v1/shows"}) })
	if diff := cmp.Diff(map[string]int{"503 overloaded": 20}, responses); diff != "" {
		t.Error(diff)
	}
	b.await(t, "/health", http.StatusOK, "status", "DEGRADED")
	b.await(t, "/health/ready", http.StatusOK, "status", "OK")
	unlock()
	(<-first).want(t, http.StatusOK, "")
}

func TestServer_SlowClientHoldsNothing(t *testing.T) {
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
				_, _ = io.Copy(io.Discard, conn)
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
		t.Errorf("%d keys were claimed by incomplete requests", n)
	}
}

func TestServer_ClientThatDoesNotReadIsDisconnected(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "HTTP_WRITE_TIMEOUT=5s", "DATABASE_MAX_CONNS=1", "DATABASE_MAX_WAITING=1")
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
			// The server stops reading while it cannot write, and then closes the connection.
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
			t.Fatal("a client that does not read stays connected")
		}
	}
}
