package main

import (
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   float64
	}{
		{"none", nil, 0},
		{"one", []float64{7}, 7},
		{"odd and unordered", []float64{9, 1, 5}, 5},
		{"even", []float64{4, 1, 3, 2}, 2.5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := median(tt.values); got != tt.want {
				t.Errorf("median(%v) = %v, want %v", tt.values, got, tt.want)
			}
		})
	}
}

func TestMedian_LeavesItsArgumentUnordered(t *testing.T) {
	values := []int{3, 1, 2}
	median(values)
	if values[0] != 3 || values[1] != 1 || values[2] != 2 {
		t.Errorf("values are now %v", values)
	}
}

func TestPercentile(t *testing.T) {
	latencies := make([]time.Duration, 100)
	for i := range latencies {
		latencies[i] = time.Duration(i+1) * time.Millisecond
	}
	for share, want := range map[float64]time.Duration{
		0: time.Millisecond, 0.5: 51 * time.Millisecond, 0.99: 100 * time.Millisecond, 1: 100 * time.Millisecond,
	} {
		if got := percentile(latencies, share); got != want {
			t.Errorf("percentile(%v) = %v, want %v", share, got, want)
		}
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("percentile of nothing = %v, want 0", got)
	}
}

func TestLoad_AddKeepsRateAndOrder(t *testing.T) {
	l := &load{}
	l.add(&load{ops: 10, elapsed: time.Second, latencies: []time.Duration{2, 4}})
	l.add(&load{ops: 30, elapsed: time.Second, latencies: []time.Duration{1, 3}})
	if l.rate() != 20 {
		t.Errorf("rate = %v, want 20", l.rate())
	}
	if got := percentile(l.latencies, 1); got != 4 {
		t.Errorf("largest latency = %d, want 4", got)
	}
	if got := percentile(l.latencies, 0); got != 1 {
		t.Errorf("smallest latency = %d, want 1", got)
	}
}

func TestLoad_CheckBoundsFailures(t *testing.T) {
	tests := []struct {
		name          string
		ops, failures int
		fails         bool
	}{
		{"none failed", 10, 0, false},
		{"one in a thousand", 1000, 1, false},
		{"more than that", 999, 1, true},
		{"nothing was done", 0, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := load{ops: tt.ops, failures: tt.failures, failure: errMalformed}
			if err := l.check(); (err != nil) != tt.fails {
				t.Errorf("check() = %v, want an error: %t", err, tt.fails)
			}
		})
	}
}

func TestSummary_TakesTheMedianOfTheRatiosOfRounds(t *testing.T) {
	second := func(ops int, lock time.Duration) *load {
		return &load{ops: ops, elapsed: time.Second, latencies: []time.Duration{time.Millisecond}, locks: []time.Duration{lock}}
	}
	rounds := []round{
		{service: second(100, 1*time.Millisecond), yardstick: second(400, 4*time.Millisecond), cpu: time.Second},
		{service: second(300, 3*time.Millisecond), yardstick: second(500, 5*time.Millisecond), cpu: 3 * time.Second},
		{service: second(200, 2*time.Millisecond), yardstick: second(250, 6*time.Millisecond), cpu: 4 * time.Second},
	}
	s := &scenario{what: "booking", against: "bare", unit: "bookings/s", target: 0.5, requests: 2}
	r := s.summary(rounds, 50<<20)
	if r.ratio != 0.6 { // of 0.25, 0.60 and 0.80; the ratio of the medians would be 0.50
		t.Errorf("ratio = %v, want 0.6", r.ratio)
	}
	if want := "200 bookings/s, lock p50 2ms, p99 2ms"; r.value != want {
		t.Errorf("value = %q, want %q", r.value, want)
	}
	if want := "bare: 400/s, lock p50 5ms, p99 5ms"; r.yardstick != want {
		t.Errorf("yardstick = %q, want %q", r.yardstick, want)
	}
	if want := 5 * time.Millisecond; r.cpu != want { // of 5, 5 and 10 ms
		t.Errorf("cpu = %v, want %v", r.cpu, want)
	}
	if !r.met() {
		t.Error("the target is missed, want met")
	}
}

func TestParseTiming(t *testing.T) {
	got, err := parseTiming("Timing is on.\nTime: 213.250 ms\n")
	if want := 213250 * time.Microsecond; err != nil || got != want {
		t.Errorf("parseTiming = %v, %v, want %v", got, err, want)
	}
	if _, err := parseTiming("ERROR: relation does not exist"); err == nil {
		t.Error("parseTiming returned no error for output without a time")
	}
}
