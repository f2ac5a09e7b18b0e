package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// scenario is something that the service does, against a yardstick for it.
type scenario struct {
	name, what, against string
	unit                string
	target              float64
	requests            int   // of one operation
	memory              int64 // the most it may take, in bytes; 0 is memoryBound
	settings            []string
	sliced              bool // service and yardstick take turns within a round, too
	prepare             func(ctx context.Context, in *instance) error
	measure             func(ctx context.Context, in *instance) (*load, error)
	yardstick           func(ctx context.Context, in *instance, round int) (float64, error)
	// whole replaces the turns above, for what is not a rate.
	whole func(ctx context.Context) ([]result, error)
}

const (
	memoryBound     = 80 << 20
	memoryBoundMaps = 120 << 20
	warmUp          = time.Second
)

// result is one line of the table.
type result struct {
	what, against   string
	value, measured string // of the service and of the yardstick, with their units
	ratio           float64
	target          float64
	atMost          bool // the target is an upper bound
	p50, p95, p99   time.Duration
	cpu             time.Duration // per request
	peak, bound     int64         // of memory, in bytes
}

// met reports whether the target, and the bound of memory, was kept to.
func (r result) met() bool {
	within := r.ratio >= r.target
	if r.atMost {
		within = r.ratio <= r.target
	}
	return within && (r.bound == 0 || r.peak <= r.bound)
}

func (b *bench) scenarios() []*scenario {
	return []*scenario{
		scenarioBooking(b),
		scenarioFight(b),
		scenarioChangingMap(b),
		scenarioLargeMap(b),
		scenarioShows(b),
		scenarioCreateShow(b),
		scenarioExpire(b),
		scenarioAnalytics(b),
		scenarioLogin(b),
		scenarioSeats(b),
		scenarioBookings(b),
		scenarioFresh(b),
		scenarioStart(b),
	}
}

// play runs a scenario and tells how each turn went.
func (b *bench) play(ctx context.Context, s *scenario) ([]result, error) {
	b.say("%s: %s", s.name, s.what)
	whole := s.whole
	if whole == nil {
		whole = func(ctx context.Context) ([]result, error) {
			var r result
			err := b.with(ctx, s.settings, func(in *instance) (err error) {
				r, err = b.turns(ctx, s, in)
				return err
			})
			return []result{r}, err
		}
	}
	b.stack.updates = seatUpdates{scenario: s.name}
	results, err := whole(ctx)
	if u := b.stack.updates; err == nil && u.all > 0 {
		b.say("  %d updates of show_seats, %.3f of them HOT", u.all, u.ratio())
		b.updates = append(b.updates, u)
	}
	return results, err
}

// with runs fn on a service with settings, and audits what it leaves.
func (b *bench) with(ctx context.Context, settings []string, fn func(in *instance) error) (err error) {
	in, err := b.stack.serve(ctx, settings...)
	if err != nil {
		return err
	}
	if err = fn(in); err == nil {
		b.say("  auditing")
	}
	return errors.Join(err, in.end(context.WithoutCancel(ctx)))
}

// turns lets the service and the yardstick take turns.
func (b *bench) turns(ctx context.Context, s *scenario, in *instance) (result, error) {
	if err := s.prepare(ctx, in); err != nil {
		return result{}, fmt.Errorf("prepare: %w", err)
	}
	var rates, yards, ratios []float64
	var p50, p95, p99, cpu []time.Duration
	long := b.lasting
	b.lasting = warmUp
	_, err := s.measure(ctx, in)
	b.lasting = long
	if err != nil {
		return result{}, err
	}
	for round := range b.rounds {
		l, yard, spent, err := b.round(ctx, s, in, round)
		if err != nil {
			return result{}, err
		}
		rates, yards, ratios = append(rates, l.rate()), append(yards, yard), append(ratios, l.rate()/yard)
		p50, p95, p99 = append(p50, l.percentile(0.50)), append(p95, l.percentile(0.95)), append(p99, l.percentile(0.99))
		cpu = append(cpu, spent/time.Duration(l.ops*s.requests))
		b.say("  round %d: %.0f %s, yardstick %.0f, ratio %.2f", round+1, l.rate(), s.unit, yard, l.rate()/yard)
	}
	bound := s.memory
	if bound == 0 {
		bound = memoryBound
	}
	return result{
		what: s.what, against: s.against, target: s.target,
		value: fmt.Sprintf("%.0f %s", median(rates), s.unit), measured: fmt.Sprintf("%.0f/s", median(yards)),
		ratio: median(ratios),
		p50:   median(p50), p95: median(p95), p99: median(p99),
		cpu: median(cpu), peak: in.memory("VmHWM"), bound: bound,
	}, nil
}

// slice is how long a turn lasts where there are several in a round. This machine is another one from
// one second to the next: what is compared should be as close together as it can be.
const slice = time.Second

// round lets service and yardstick be measured once each for as long as b says, in slices if that can be.
func (b *bench) round(ctx context.Context, s *scenario, in *instance, round int) (total *load, yard float64, spent time.Duration, err error) {
	slices := 1
	if s.sliced {
		slices = max(1, int(b.lasting/slice))
	}
	defer func(long time.Duration) { b.lasting = long }(b.lasting)
	b.lasting /= time.Duration(slices)
	total = &load{}
	for range slices {
		before := in.cpu()
		l, err := s.measure(ctx, in)
		if err == nil {
			err = l.check()
		}
		if err != nil {
			return nil, 0, 0, err
		}
		spent += in.cpu() - before
		total.add(l)
		y, err := s.yardstick(ctx, in, round)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("yardstick: %w", err)
		}
		yard += y / float64(slices)
	}
	return total, yard, spent, nil
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
