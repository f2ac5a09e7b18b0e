package chaos_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

var (
	duration    = flag.Duration("chaos.duration", 6*time.Second, "how long things go wrong")
	seed        = flag.Uint64("chaos.seed", 0, "what goes wrong in which order; 0 takes a new one")
	journalPath = flag.String("chaos.journal", "", "file to write every request and its answer to; empty: none")
)

const (
	people       = 50
	shows        = 4
	rowsOfShow   = 3
	seatsOfRow   = 5
	requestLimit = 5 * time.Second
)

// TestChaos is the history checker: docs/reliability.md says what it does and what it proves.
func TestChaos(t *testing.T) {
	t.Parallel()
	v := chaos(t, builtOrFail(t))
	for _, text := range v.report {
		t.Log(text)
	}
	for _, text := range v.violations {
		t.Error(text)
	}
}

// chaos runs instances of binary while everything breaks, and judges what people were told.
func chaos(t *testing.T, binary string) verdict {
	t.Helper()
	seed := *seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d, for %s", seed, *duration)
	h := openHouse(t, binary, instances)
	pool, err := pgxpool.New(t.Context(), h.stack.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	options, err := redis.ParseURL(h.stack.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	options.ReadTimeout = 5 * time.Second
	locks := &lockWatch{client: redis.NewClient(options), pool: pool, acked: map[int64]bool{}}
	t.Cleanup(func() { _ = locks.client.Close() })

	c := newCrowd(t, h, pool, locks, seed)
	breaking := &faults{house: h, locks: locks, random: rand.New(rand.NewPCG(seed, 0)), log: t.Logf, counts: map[string]int{}}
	run(t, c, breaking, locks)
	v := judge(t, h, c, breaking, locks)
	if err := c.journal.close(); err != nil {
		t.Error(err)
	}
	return v
}

// crowd is all the clients and what they share.
type crowd struct {
	clients []*client
	shows   []show
	history *history
	journal *journal
	counts  *counts
	wrong   *complaints
}

func newCrowd(t *testing.T, h *house, pool *pgxpool.Pool, locks *lockWatch, seed uint64) *crowd {
	t.Helper()
	c := &crowd{history: &history{}, counts: &counts{}, wrong: &complaints{}}
	if *journalPath != "" {
		var err error
		if c.journal, err = openJournal(*journalPath); err != nil {
			t.Fatal(err)
		}
	}
	for range shows {
		id := testkit.NewShow(t, pool, testkit.Show{VenueID: testkit.NewVenue(t, pool, rowsOfShow, seatsOfRow)})
		c.shows = append(c.shows, show{id: id, seats: testkit.SeatIDs(t, pool, id)})
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * people, IdleConnTimeout: time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	for n := range people {
		one := &client{
			number: n, base: h.front.URL, token: token(t, testkit.NewUser(t, pool), n),
			http:   &http.Client{Transport: transport, Timeout: requestLimit},
			random: rand.New(rand.NewPCG(seed, uint64(n)+1)),
			shows:  c.shows, history: c.history, journal: c.journal, counts: c.counts, wrong: c.wrong, locks: locks,
		}
		c.clients = append(c.clients, one)
	}
	return c
}

// token gives what the instance of this number would at a sign-in, by its clock.
func token(t *testing.T, user int64, number int) string {
	t.Helper()
	tokens, err := service.NewTokens(service.TokensConfig{Secrets: []string{jwtSecret}, Now: func() time.Time {
		if number%instances == skewed {
			return time.Now().Add(skew)
		}
		return time.Now()
	}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := tokens.Issue(domain.User{ID: user, Email: "somebody@example.com", Role: domain.RoleUser})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// run lets everybody book and everything break, and then all come to rest.
func run(t *testing.T, c *crowd, breaking *faults, locks *lockWatch) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), *duration)
	defer stop()
	watching, stopWatching := context.WithCancel(t.Context())
	var booking, others sync.WaitGroup
	for _, one := range c.clients {
		booking.Go(func() { one.run(ctx) })
	}
	others.Go(func() { breaking.run(ctx) })
	var watch sync.WaitGroup
	watch.Go(func() { locks.run(watching) })
	others.Wait()
	for _, i := range breaking.house.all {
		i.awaitReady()
	}
	booking.Wait()
	stopWatching()
	watch.Wait()
}
