package chaos_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

var (
	duration    = flag.Duration("chaos.duration", 6*time.Second, "how long faults are made")
	seed        = flag.Uint64("chaos.seed", 0, "seed of the faults; 0 chooses one")
	journalPath = flag.String("chaos.journal", "", "file for all requests and responses; empty: none")
)

const (
	clients      = 50
	shows        = 4
	rowsOfShow   = 3
	seatsOfRow   = 5
	requestLimit = 5 * time.Second
)

// chaos runs instances of binary under load and faults and returns the verdict.
func chaos(t *testing.T, binary string) verdict {
	t.Helper()
	seed := *seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d, for %s", seed, *duration)
	c := newCluster(t, binary, instances)
	options, err := redis.ParseURL(c.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.ReadTimeout = 5 * time.Second
	locks := &lockWatch{client: redis.NewClient(options), pool: c.pool, watched: map[int64]bool{}}
	t.Cleanup(func() { _ = locks.client.Close() })

	l := newLoad(t, c, locks, seed)
	f := &faults{cluster: c, locks: locks, random: rand.New(rand.NewPCG(seed, 0)), log: t.Logf, counts: map[string]int{}}
	run(t, l, f, locks)
	v := judge(t, c, l, f, locks)
	if err := l.journal.close(); err != nil {
		t.Error(err)
	}
	return v
}

// load is all the clients and what they share.
type load struct {
	clients  []*client
	shows    []show
	history  *history
	journal  *journal
	payments *acknowledged
	stats    *stats
	findings *findings
}

func newLoad(t *testing.T, c *cluster, locks *lockWatch, seed uint64) *load {
	t.Helper()
	l := &load{history: &history{}, payments: &acknowledged{}, stats: &stats{}, findings: &findings{}}
	if *journalPath != "" {
		var err error
		if l.journal, err = openJournal(*journalPath); err != nil {
			t.Fatal(err)
		}
	}
	for range shows {
		id := testkit.NewShow(t, c.pool, testkit.Show{VenueID: testkit.NewVenue(t, c.pool, rowsOfShow, seatsOfRow)})
		l.shows = append(l.shows, show{id: id, seats: testkit.SeatIDs(t, c.pool, id)})
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * clients, IdleConnTimeout: time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	for n := range clients {
		l.clients = append(l.clients, &client{
			number: n, base: c.front.URL, token: token(t, testkit.NewUser(t, c.pool), n),
			http:   &http.Client{Transport: transport, Timeout: requestLimit},
			random: rand.New(rand.NewPCG(seed, uint64(n)+1)),
			shows:  l.shows, history: l.history, journal: l.journal, payments: l.payments,
			stats: l.stats, findings: l.findings, locks: locks, holds: map[int64]bool{},
		})
	}
	return l
}

// token returns a token as the instance of this number would issue it by its clock.
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
	token, err := tokens.Issue(domain.User{ID: user, Email: "client@example.com", Role: domain.RoleUser})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// run runs the clients and the faults for the duration, until all clients have finished and all instances
// are ready.
func run(t *testing.T, l *load, f *faults, locks *lockWatch) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), *duration)
	defer stop()
	var booking sync.WaitGroup
	for _, c := range l.clients {
		booking.Go(func() { c.run(ctx) })
	}
	watching, stopWatching := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	watch.Go(func() { locks.run(watching) })
	f.run(ctx)
	for _, i := range f.cluster.all {
		i.awaitReady()
	}
	booking.Wait()
	stopWatching()
	watch.Wait()
}
