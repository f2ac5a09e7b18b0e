package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sort"
	"strings"
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
	duration = flag.Duration("chaos.duration", 6*time.Second, "how long things go wrong")
	seed     = flag.Uint64("chaos.seed", 0, "what goes wrong in which order; 0 takes a new one")
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
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d, for %s", *seed, *duration)
	h := openHouse(t, instances)
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

	c := newCrowd(t, h, pool, locks)
	breaking := &faults{house: h, locks: locks, random: rand.New(rand.NewPCG(*seed, 0)), log: t.Logf, counts: map[string]int{}}
	run(t, c, breaking, locks)
	judge(t, h, c, breaking, locks)
}

// crowd is all the clients and what they share.
type crowd struct {
	clients []*client
	shows   []show
	history *history
	counts  *counts
}

func newCrowd(t *testing.T, h *house, pool *pgxpool.Pool, locks *lockWatch) *crowd {
	t.Helper()
	c := &crowd{history: &history{}, counts: &counts{}}
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
			random: rand.New(rand.NewPCG(*seed, uint64(n)+1)),
			shows:  c.shows, history: c.history, counts: c.counts, locks: locks, log: t.Logf,
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

// judge looks at everything that was told, and at what is left.
func judge(t *testing.T, h *house, c *crowd, breaking *faults, locks *lockWatch) {
	t.Helper()
	pause(t.Context(), holdFor+3*time.Second) // holds run out, and the cleanup comes round
	for _, s := range c.shows {
		if !c.clients[0].read(s) {
			t.Errorf("the seats of show %d cannot be read", s.id)
		}
	}
	began := time.Now()
	broken, undecided, explain := c.history.check()
	t.Logf("checked %d calls for %d seats in %s", len(c.history.calls), shows*rowsOfShow*seatsOfRow, time.Since(began).Round(time.Millisecond))
	for n, seat := range broken {
		if t.Errorf("there is no way that all of this was told of seat %d", seat); n == 0 {
			t.Log("\n" + explain(seat))
		}
	}
	for _, seat := range undecided {
		t.Errorf("no verdict on seat %d in %s", seat, checkTimeout)
	}
	for _, text := range locks.gone {
		t.Error(text)
	}
	audited, err := h.audit()
	if err != nil {
		t.Errorf("audit: %v\n%s", err, audited)
	}
	internals, lost := c.counts.internals.Load(), c.counts.lost.Load()
	if internals > 0 || lost > 0 {
		t.Errorf("%d answers were 500; %d bookings that were acknowledged are gone", internals, lost)
	}
	for _, i := range h.all {
		if strings.Contains(i.log(), "DATA RACE") || strings.Contains(i.log(), `"msg":"panic"`) {
			t.Errorf("instance %d: a race or a panic:\n%s", i.number, i.log())
		}
	}

	kinds := make([]string, 0, len(breaking.counts))
	total := 0
	for kind, n := range breaking.counts {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
		total += n
	}
	sort.Strings(kinds)
	done := map[string]int{}
	for _, one := range c.history.calls {
		done[string(one.kind)+" "+string(one.outcome)]++
	}
	t.Logf("seed %d, %s", *seed, *duration)
	t.Logf("calls: %d operations in %d requests, %d replayed; by seat: %v", c.counts.operations.Load(), c.counts.requests.Load(), c.counts.replays.Load(), done)
	t.Logf("faults: %d (%s); one clock %s ahead throughout", total, strings.Join(kinds, ", "), skew)
	t.Logf("unknown outcomes: %d requests without an answer, %d operations never resolved", c.counts.unknowns.Load(), c.counts.unresolved.Load())
	t.Logf("seat locks: looked at %d times", locks.looks)
	t.Logf("audit: %s", strings.TrimSpace(audited))
	t.Logf("violations: %d", len(broken)+len(undecided)+len(locks.gone)+int(internals+lost))
}
