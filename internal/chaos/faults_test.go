package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"
)

// fault is something that goes wrong for a while. It returns when all is well again.
type fault struct {
	name   string
	weight int
	strike func(ctx context.Context, f *faults) (what string)
}

// faults lets things go wrong, one after the other, by a seed.
type faults struct {
	house  *house
	locks  *lockWatch
	random *rand.Rand
	log    func(format string, args ...any)
	counts map[string]int
}

var faultKinds = []fault{
	{"instance killed", 3, func(ctx context.Context, f *faults) string {
		i := f.instance()
		i.kill()
		pause(ctx, f.between(0, 500))
		i.start()
		i.awaitReady()
		return fmt.Sprint("instance ", i.number)
	}},
	{"instance stopped", 3, func(ctx context.Context, f *faults) string {
		i, d := f.instance(), f.between(200, 4000)
		i.signal(syscall.SIGSTOP)
		pause(ctx, d)
		i.signal(syscall.SIGCONT)
		return fmt.Sprint("instance ", i.number, " for ", d)
	}},
	{"redis killed", 1, func(ctx context.Context, f *faults) string {
		defer f.locks.lost()()
		f.must(f.house.stack.CrashRedis(context.WithoutCancel(ctx)))
		d := f.between(0, 1500)
		pause(ctx, d)
		f.must(f.house.stack.RestartRedis(context.WithoutCancel(ctx)))
		return fmt.Sprint("for ", d)
	}},
	{"redis flushed", 2, func(ctx context.Context, f *faults) string {
		defer f.locks.lost()()
		f.must(f.locks.client.FlushAll(context.WithoutCancel(ctx)).Err())
		return ""
	}},
	{"redis paused", 1, func(ctx context.Context, f *faults) string {
		d := f.between(200, 2000)
		f.must(f.house.stack.PauseRedis())
		pause(ctx, d)
		f.must(f.house.stack.ResumeRedis())
		return fmt.Sprint("for ", d)
	}},
	{"postgres crashed", 1, func(ctx context.Context, f *faults) string {
		f.must(f.house.stack.CrashPostgres(context.WithoutCancel(ctx)))
		d := f.between(0, 1000)
		pause(ctx, d)
		f.must(f.house.stack.RestartPostgres(context.WithoutCancel(ctx)))
		return fmt.Sprint("for ", d)
	}},
	{"connections cut", 3, func(ctx context.Context, f *faults) string {
		w, d := f.way(), f.between(0, 1000)
		w.cut()
		pause(ctx, d)
		w.open()
		return fmt.Sprint(w.name, " for ", d)
	}},
	{"connections slowed", 2, func(ctx context.Context, f *faults) string {
		return f.toxic(ctx, f.way(), fmt.Sprintf(`{"name":"slow","type":"latency","attributes":{"latency":%d,"jitter":20}}`, 20+f.random.IntN(300)))
	}},
	{"connections silent", 2, func(ctx context.Context, f *faults) string {
		return f.toxic(ctx, f.way(), `{"name":"silent","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`)
	}},
	{"answers cut short", 2, func(ctx context.Context, f *faults) string {
		return f.toxic(ctx, f.way(), fmt.Sprintf(`{"name":"short","type":"limit_data","attributes":{"bytes":%d}}`, 200+f.random.IntN(5000)))
	}},
}

// run lets faults strike until ctx is done, each followed by a pause. All is well when it returns.
func (f *faults) run(ctx context.Context) {
	weights := 0
	for _, kind := range faultKinds {
		weights += kind.weight
	}
	// The first round has one of each kind, in a random order; after that it is by weight.
	order := f.random.Perm(len(faultKinds))
	for n := 0; ctx.Err() == nil; n++ {
		kind := faultKinds[0]
		if n < len(order) {
			kind = faultKinds[order[n]]
		} else {
			at := f.random.IntN(weights)
			for _, k := range faultKinds {
				if at -= k.weight; at < 0 {
					kind = k
					break
				}
			}
		}
		start := time.Now()
		what := kind.strike(ctx, f)
		f.counts[kind.name]++
		f.log("%s  %s %s (%s in all)", start.UTC().Format("15:04:05.000"), kind.name, what, time.Since(start).Round(time.Millisecond))
		pause(ctx, f.between(50, 700))
	}
}

func (f *faults) must(err error) {
	if err != nil {
		f.house.t.Errorf("a fault could not be made: %v", err)
	}
}

func (f *faults) instance() *instance { return f.house.all[f.random.IntN(instances)] }

// way gives one instance's way to one store.
func (f *faults) way() *way {
	i := f.instance()
	if f.random.IntN(2) == 0 {
		return i.database
	}
	return i.redis
}

// toxic makes a way bad for a while. Connections that were on it break in the end.
func (f *faults) toxic(ctx context.Context, w *way, toxic string) string {
	d := f.between(300, 2500)
	if _, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		f.must(err)
		return ""
	}
	pause(ctx, d)
	w.cut()
	w.open()
	return fmt.Sprint(w.name, " for ", d)
}

// between gives a duration from low to high, in ms.
func (f *faults) between(low, high int) time.Duration {
	return time.Duration(low+f.random.IntN(high-low+1)) * time.Millisecond
}
