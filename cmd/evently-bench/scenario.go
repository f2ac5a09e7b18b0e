package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// scenario is something that the service does, and its target.
type scenario struct {
	name, what string
	against    string // the yardstick
	unit       string
	target     float64 // least ratio of the service to the yardstick
	requests   int     // per operation of the service
	// sliced scenarios alternate every second within a round, too.
	sliced bool
	// prepare creates the data and returns what is measured in turns.
	prepare func(ctx context.Context, in *instance) (service, yardstick measurement, err error)
	// whole replaces the turns in scenarios that do not compare two rates.
	whole func(ctx context.Context) ([]result, error)
}

// measurement runs load for a duration.
type measurement func(ctx context.Context, duration time.Duration) (*load, error)

const (
	warmUp = time.Second
	slice  = time.Second
)

// result is one line of the report.
type result struct {
	scenario, what string
	value          string // of the service, with its unit
	yardstick      string // with its value and unit; empty if the target is an absolute limit
	limit          string // the absolute limit
	ratio, target  float64
	atMost         bool // target is an upper bound
	p50, p95, p99  time.Duration
	cpu            time.Duration // per request
	peak           int64         // resident memory in bytes
}

func (r result) met() bool {
	if r.atMost {
		return r.ratio <= r.target
	}
	return r.ratio >= r.target
}

// within returns the result for a value with an absolute upper limit.
func within[T ~int64](what string, value, limit T, text func(T) string) result {
	return result{
		what: what, value: text(value), limit: text(limit),
		ratio: float64(value) / float64(limit), target: 1, atMost: true,
	}
}

const peakBound int64 = 110 << 20

// peakMemory returns a result for the highest peak of results, if any has one.
func peakMemory(results []result) []result {
	var highest result
	for _, r := range results {
		if r.peak > highest.peak {
			highest = r
		}
	}
	if highest.peak == 0 {
		return nil
	}
	return []result{within("peak memory, highest in `"+highest.scenario+"`", highest.peak, peakBound, megabytes)}
}

func (b *bench) scenarios() []*scenario {
	return []*scenario{
		bookingScenario(),
		fightScenario(),
		changingMapScenario(b),
		largeMapScenario(),
		showsScenario(),
		createShowScenario(b),
		expireScenario(b),
		analyticsScenario(b),
		loginScenario(b),
		showSizesScenario(b),
		booksScenario(b),
		freshPlansScenario(b),
		startScenario(b),
	}
}

// play runs one scenario.
func (b *bench) play(ctx context.Context, s *scenario) ([]result, error) {
	b.say("%s: %s", s.name, s.what)
	b.stack.updates = seatUpdates{scenario: s.name}
	results, err := b.results(ctx, s)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].scenario = s.name
	}
	if u := b.stack.updates; u.all > 0 {
		b.updates = append(b.updates, u)
	}
	return results, nil
}

func (b *bench) results(ctx context.Context, s *scenario) (results []result, err error) {
	if s.whole != nil {
		return s.whole(ctx)
	}
	err = b.with(ctx, nil, func(in *instance) error {
		r, err := b.compare(ctx, s, in)
		results = []result{r}
		return err
	})
	return results, err
}

// with runs fn on an instance of the service, and audits the database afterwards.
func (b *bench) with(ctx context.Context, settings []string, fn func(in *instance) error) (err error) {
	in, err := b.stack.serve(ctx, settings...)
	if err != nil {
		return err
	}
	return errors.Join(fn(in), in.end(context.WithoutCancel(ctx)))
}

// compare measures the service and the yardstick in turns.
func (b *bench) compare(ctx context.Context, s *scenario, in *instance) (result, error) {
	service, yardstick, err := s.prepare(ctx, in)
	if err != nil {
		return result{}, fmt.Errorf("prepare: %w", err)
	}
	for _, m := range []measurement{service, yardstick} {
		if _, err := m(ctx, warmUp); err != nil {
			return result{}, fmt.Errorf("warm up: %w", err)
		}
	}
	var rounds []round
	for i := range b.rounds {
		r, err := b.round(ctx, s.sliced, in, service, yardstick)
		if err != nil {
			return result{}, err
		}
		b.say("  round %d: %.0f %s, yardstick %.0f, ratio %.2f", i+1, r.service.rate(), s.unit, r.yardstick.rate(), r.ratio())
		rounds = append(rounds, r)
	}
	return s.summary(rounds, in.memory("VmHWM")), nil
}

// round is one measurement of the service and one of the yardstick.
type round struct {
	service, yardstick *load
	cpu                time.Duration // of the service
}

func (r round) ratio() float64 { return r.service.rate() / r.yardstick.rate() }

func (b *bench) round(ctx context.Context, sliced bool, in *instance, service, yardstick measurement) (round, error) {
	slices := 1
	if sliced {
		slices = max(1, int(b.duration/slice))
	}
	duration := b.duration / time.Duration(slices)
	r := round{service: &load{}, yardstick: &load{}}
	for range slices {
		before := in.cpu()
		ours, err := service(ctx, duration)
		if err == nil {
			err = ours.check()
		}
		if err != nil {
			return round{}, err
		}
		r.cpu += in.cpu() - before
		theirs, err := yardstick(ctx, duration)
		if err == nil {
			err = theirs.check()
		}
		if err != nil {
			return round{}, fmt.Errorf("yardstick: %w", err)
		}
		r.service.add(ours)
		r.yardstick.add(theirs)
	}
	return r, nil
}

// summary returns the medians of the rounds.
func (s *scenario) summary(rounds []round, peak int64) result {
	service := func(r round) *load { return r.service }
	yardstick := func(r round) *load { return r.yardstick }
	return result{
		what:      s.what,
		value:     fmt.Sprintf("%.0f %s", medianOf(rounds, func(r round) float64 { return r.service.rate() }), s.unit) + lockTimes(rounds, service),
		yardstick: fmt.Sprintf("%s: %.0f/s", s.against, medianOf(rounds, func(r round) float64 { return r.yardstick.rate() })) + lockTimes(rounds, yardstick),
		ratio:     medianOf(rounds, round.ratio),
		target:    s.target,
		p50:       medianOf(rounds, func(r round) time.Duration { return percentile(r.service.latencies, 0.50) }),
		p95:       medianOf(rounds, func(r round) time.Duration { return percentile(r.service.latencies, 0.95) }),
		p99:       medianOf(rounds, func(r round) time.Duration { return percentile(r.service.latencies, 0.99) }),
		cpu:       medianOf(rounds, func(r round) time.Duration { return r.cpu / time.Duration(r.service.ops*s.requests) }),
		peak:      peak,
	}
}

// lockTimes returns the latencies of the lock within a booking as text, or "" in other scenarios.
func lockTimes(rounds []round, side func(round) *load) string {
	if len(side(rounds[0]).locks) == 0 {
		return ""
	}
	p := func(share float64) string {
		return short(medianOf(rounds, func(r round) time.Duration { return percentile(side(r).locks, share) }))
	}
	return fmt.Sprintf(", lock p50 %s, p99 %s", p(0.50), p(0.99))
}
