package testkit

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"evently/internal/devstack"
	"evently/internal/schema"
)

func TestMain(m *testing.M) { Main(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDatabasesAreMigratedAndSeparate(t *testing.T) {
	t.Parallel()
	one, other := Pool(t), Pool(t)
	check(t, schema.Verify(t.Context(), one))
	NewUser(t, one)
	if n := Value[int](t, other, `SELECT count(*)::int FROM users`); n != 0 {
		t.Errorf("the other database has %d users", n)
	}
}

func TestEmptyDatabaseHasNoSchema(t *testing.T) {
	t.Parallel()
	pool := Connect(t, EmptyDatabaseURL(t))
	if v, err := schema.Applied(t.Context(), pool); v != 0 || err != nil {
		t.Errorf("version %d, %v", v, err)
	}
}

func TestDatabaseIsEmptiedAfterItsTestEvenWhileConnected(t *testing.T) {
	var url string
	var conn *pgx.Conn
	t.Run("inner", func(t *testing.T) {
		url = DatabaseURL(t)
		var err error
		conn, err = pgx.Connect(t.Context(), url)
		check(t, err)
		NewShow(t, Connect(t, url), Show{})
	})
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the connection of the test lives on")
	}
	if next := DatabaseURL(t); next != url {
		t.Fatalf("%s was not used again, but %s", url, next)
	}
	pool := Connect(t, url)
	if n := Value[int](t, pool, `SELECT (SELECT count(*) FROM shows) + (SELECT count(*) FROM seats)`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if id := NewUser(t, pool); id != 1 {
		t.Errorf("the first user has the id %d", id)
	}
}

func TestDatabaseIsDroppedWhenMoreThanRowsHaveChanged(t *testing.T) {
	for name, statement := range map[string]string{
		"index":      `DROP INDEX bookings_user_idx`,
		"constraint": `ALTER TABLE show_seats DROP CONSTRAINT show_seats_status_agrees`,
		"column":     `ALTER TABLE users ALTER COLUMN role DROP DEFAULT`,
		"function":   `CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		"table":      `CREATE TABLE more (id int)`,
		"version":    `INSERT INTO evently_migrations (version_id, is_applied) VALUES (99999, true)`,
		"setting":    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = "Asia/Tokyo"', current_database()); END $$`,
		"statistics": `INSERT INTO events (title, title_folded) VALUES ('a', 'a'); ANALYZE events`,
		"size":       `INSERT INTO events (title, title_folded) SELECT n, n FROM generate_series(1, 20000) n`,
	} {
		t.Run(name, func(t *testing.T) {
			var url string
			t.Run("inner", func(t *testing.T) {
				url = DatabaseURL(t)
				conn, err := pgx.Connect(t.Context(), url)
				check(t, err)
				_, err = conn.PgConn().Exec(t.Context(), statement).ReadAll()
				check(t, err)
			})
			if conn, err := pgx.Connect(t.Context(), url); err == nil {
				_ = conn.Close(t.Context())
				t.Error("the database is still there")
			}
		})
	}
}

func TestRedisDatabasesAreSeparateAndComeEmpty(t *testing.T) {
	t.Parallel()
	one, other := Redis(t), Redis(t)
	check(t, one.Set(t.Context(), "k", "v", 0).Err())
	if err := other.Get(t.Context(), "k").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("the other database: %v", err)
	}
	var number int
	t.Run("inner", func(t *testing.T) {
		client := Redis(t)
		number = client.Options().DB
		check(t, client.Set(t.Context(), "k", "v", 0).Err())
	})
	if n, err := shared.redis.admin.Exists(t.Context(), "k").Result(); err != nil || n != 0 {
		t.Errorf("database 0 has the key, too (%v)", err)
	}
	options := *shared.redis.admin.Options()
	options.DB = number
	client := redis.NewClient(&options)
	defer func() { check(t, client.Close()) }()
	if n, err := client.DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("database %d holds %d keys after its test (%v)", number, n, err)
	}
}

// sharedServer starts a Redis that several processes share, as TEST_REDIS_URL may name one.
func sharedServer(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", stackPrefix) //nolint:usetesting // a crashed run's folder is found by this prefix
	check(t, err)
	stack, err := devstack.Start(t.Context(), devstack.Options{
		Dir: dir, DatabaseURL: "postgres://not-needed", Ephemeral: true, Install: true,
	})
	check(t, err)
	t.Cleanup(func() { check(t, stack.Stop(context.Background())) })
	return stack.RedisURL
}

// process makes an allocator as another process would have it, that knows only the databases from
// first to last.
func process(t *testing.T, serverURL, owner string, first, last int) *redisNumbers {
	t.Helper()
	r := &redisNumbers{}
	r.init(serverURL, true, owner)
	check(t, r.initErr)
	t.Cleanup(func() { check(t, r.close()) })
	r.free = make(chan int, last-first+1)
	for n := first; n <= last; n++ {
		r.free <- n
	}
	return r
}

func TestProcessesOnOneRedisNeverShareANumber(t *testing.T) {
	t.Parallel()
	const first, last, processes, each = 1, 10, 3, 3
	server := sharedServer(t)
	type claim struct {
		by *redisNumbers
		n  int
	}
	claims := make(chan claim, processes*each)
	var wg sync.WaitGroup
	for p := range processes {
		r := process(t, server, "process-"+strconv.Itoa(p), first, last)
		for range each {
			wg.Go(func() {
				n, err := r.claim(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				claims <- claim{r, n}
			})
		}
	}
	wg.Wait()
	close(claims)
	holder := map[int]string{}
	for c := range claims { // all of them are held at this point
		if other, taken := holder[c.n]; taken {
			t.Errorf("%s was given %d, which %s has", c.by.owner, c.n, other)
		}
		holder[c.n] = c.by.owner
		check(t, c.by.release(t.Context(), c.n))
	}
	onlooker := process(t, server, "onlooker", first, last)
	if left, err := onlooker.admin.DBSize(t.Context()).Result(); err != nil || left != 0 {
		t.Errorf("%d claims are left (%v)", left, err)
	}
}

func TestAClaimThatRanOutIsNotTakenFromItsNewHolder(t *testing.T) {
	t.Parallel()
	const number = 1
	server := sharedServer(t)
	late, next := process(t, server, "late", number, number), process(t, server, "next", number, number)
	_, err := late.claim(t.Context())
	check(t, err)
	check(t, next.admin.Del(t.Context(), claimKey(number)).Err()) // as if its time were over
	_, err = next.claim(t.Context())
	check(t, err)
	check(t, late.release(t.Context(), number))
	owner, err := next.admin.Get(t.Context(), claimKey(number)).Result()
	if err != nil || owner != "next" {
		t.Errorf("the claim belongs to %q (%v)", owner, err)
	}
	check(t, next.release(t.Context(), number))
}

func TestWaitingForANumberEndsWithTheContext(t *testing.T) {
	t.Parallel()
	const number = 1
	server := sharedServer(t)
	one, other := process(t, server, "one", number, number), process(t, server, "other", number, number)
	_, err := one.claim(t.Context())
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := other.claim(ctx); err == nil {
		t.Errorf("got %d, which is taken", n)
	}
	check(t, one.release(t.Context(), number))
}

func TestANumberThatCannotBeHadIsGivenBack(t *testing.T) {
	t.Parallel()
	beyond := process(t, sharedServer(t), "me", 5000, 5000) // the server has 1024
	if n, err := beyond.claim(t.Context()); err == nil {
		t.Fatalf("got %d", n)
	}
	if left, err := beyond.admin.DBSize(t.Context()).Result(); err != nil || left != 0 {
		t.Errorf("%d claims are left (%v)", left, err)
	}
	if len(beyond.free) != 1 {
		t.Error("the number is lost")
	}
}

func TestURLsKeepTheirOptions(t *testing.T) {
	t.Parallel()
	r := &redisNumbers{serverURL: "rediss://:p%40ss@cache:6380/3?dial_timeout=3s"}
	if got, err := r.urlOf(7); err != nil || got != "rediss://:p%40ss@cache:6380/7?dial_timeout=3s" {
		t.Errorf("Redis: %q, %v", got, err)
	}
	d := &databases{serverURL: "postgres://me:p%40ss@db:5433/postgres?sslmode=require"}
	if got, err := d.urlOf("x"); err != nil || got != "postgres://me:p%40ss@db:5433/x?sslmode=require" {
		t.Errorf("PostgreSQL: %q, %v", got, err)
	}
	d.serverURL = "host=db user=me"
	if got, err := d.urlOf("x"); err == nil {
		t.Errorf("a key and value list became %q", got)
	}
}

func TestClockMovesOnlyWhenMoved(t *testing.T) {
	t.Parallel()
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	clock := NewClock(start)
	if got := clock.Now(); !got.Equal(start) || got.Location() != time.UTC {
		t.Errorf("shows %v", got)
	}
	clock.Advance(90 * time.Second)
	if got := clock.Now().Sub(start); got != 90*time.Second {
		t.Errorf("moved by %v", got)
	}
}
