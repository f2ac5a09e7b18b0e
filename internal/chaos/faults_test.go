package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fault is something that fails for a while. Its strike returns when all works again, with a description.
type fault struct {
	name   string
	weight int
	strike func(ctx context.Context, f *faults) string
}

// faults makes faults, one after the other, in an order that follows from its random source.
type faults struct {
	cluster *cluster
	locks   *lockWatch
	random  *rand.Rand
	log     func(format string, args ...any)
	counts  map[string]int
	charges chargeKills
}

// faultKinds begins with the fault that strikes first.
var faultKinds = []fault{
	{"instance killed between charge and record", 4, func(ctx context.Context, f *faults) string { return f.strikeCharge(ctx) }},
	{"instance killed", 3, func(ctx context.Context, f *faults) string {
		i := f.instance()
		f.kill(ctx, i)
		return fmt.Sprint("instance ", i.number)
	}},
	{"instance paused", 3, func(ctx context.Context, f *faults) string {
		i, d := f.instance(), f.between(200, 4000)
		i.signal(syscall.SIGSTOP)
		pause(ctx, d)
		i.signal(syscall.SIGCONT)
		return fmt.Sprint("instance ", i.number, " for ", d)
	}},
	{"redis killed", 1, func(ctx context.Context, f *faults) string {
		defer f.locks.redisLoses()()
		return f.crash(ctx, f.cluster.redis, f.between(0, 1500))
	}},
	{"redis flushed", 2, func(ctx context.Context, f *faults) string {
		defer f.locks.redisLoses()()
		f.must(f.locks.client.FlushAll(context.WithoutCancel(ctx)).Err())
		return ""
	}},
	{"redis paused", 1, func(ctx context.Context, f *faults) string {
		d := f.between(200, 2000)
		f.must(f.cluster.redis.pause())
		pause(ctx, d)
		f.must(f.cluster.redis.resume())
		return fmt.Sprint("for ", d)
	}},
	{"postgres crashed", 1, func(ctx context.Context, f *faults) string {
		return f.crash(ctx, f.cluster.postgres, f.between(0, 1000))
	}},
	{"connections cut", 3, func(ctx context.Context, f *faults) string {
		l, d := f.link(), f.between(0, 1000)
		l.cut()
		pause(ctx, d)
		l.open()
		return fmt.Sprint(l.name, " for ", d)
	}},
	{"connections slow", 2, func(ctx context.Context, f *faults) string {
		return f.toxic(ctx, f.link(), fmt.Sprintf(`{"name":"slow","type":"latency","attributes":{"latency":%d,"jitter":20}}`, 20+f.random.IntN(300)))
	}},
	{"connections silent", 2, func(ctx context.Context, f *faults) string {
		return f.toxic(ctx, f.link(), `{"name":"silent","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`)
	}},
	{"replies cut short", 2, func(ctx context.Context, f *faults) string {
		return f.toxic(ctx, f.link(), fmt.Sprintf(`{"name":"short","type":"limit_data","attributes":{"bytes":%d}}`, 200+f.random.IntN(5000)))
	}},
}

// run makes faults until ctx ends, with a pause after each. The first round has one of each kind, in a
// random order; after that the kinds are chosen by weight.
func (f *faults) run(ctx context.Context) {
	order := append([]int{0}, f.random.Perm(len(faultKinds)-1)...)
	for n := range order[1:] {
		order[n+1]++
	}
	for n := 0; ctx.Err() == nil; n++ {
		kind := f.byWeight()
		if n < len(order) {
			kind = faultKinds[order[n]]
		}
		start := time.Now()
		what := kind.strike(ctx, f)
		f.counts[kind.name]++
		f.log("%s  %s %s (%s in all)", start.UTC().Format("15:04:05.000"), kind.name, what, time.Since(start).Round(time.Millisecond))
		pause(ctx, f.between(50, 700))
	}
}

func (f *faults) byWeight() fault {
	weights := 0
	for _, kind := range faultKinds {
		weights += kind.weight
	}
	at := f.random.IntN(weights)
	for _, kind := range faultKinds {
		if at -= kind.weight; at < 0 {
			return kind
		}
	}
	panic("no fault at this weight")
}

func (f *faults) must(err error) {
	if err != nil {
		f.cluster.t.Errorf("a fault could not be made: %v", err)
	}
}

func (f *faults) instance() *instance { return f.cluster.all[f.random.IntN(instances)] }

// link returns the link of one instance to one store.
func (f *faults) link() *link {
	i := f.instance()
	if f.random.IntN(2) == 0 {
		return i.database
	}
	return i.redis
}

// kill kills instances and starts them again.
func (f *faults) kill(ctx context.Context, killed ...*instance) {
	for _, i := range killed {
		i.kill()
	}
	pause(ctx, f.between(0, 500))
	var starting sync.WaitGroup
	for _, i := range killed {
		starting.Go(func() {
			i.start()
			i.awaitReady()
		})
	}
	starting.Wait()
}

// crash crashes a store and restarts it after d.
func (f *faults) crash(ctx context.Context, s *store, d time.Duration) string {
	f.must(s.crash(context.WithoutCancel(ctx)))
	pause(ctx, d)
	f.must(s.restart(context.WithoutCancel(ctx)))
	return fmt.Sprint("for ", d)
}

// toxic makes a link bad for a while. In the end its connections break.
func (f *faults) toxic(ctx context.Context, l *link, toxic string) string {
	d := f.between(300, 2500)
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		f.must(err)
		return ""
	}
	pause(ctx, d)
	l.cut()
	l.open()
	return fmt.Sprint(l.name, " for ", d)
}

// between returns a random duration between low and high, in ms.
func (f *faults) between(low, high int) time.Duration {
	return time.Duration(low+f.random.IntN(high-low+1)) * time.Millisecond
}
