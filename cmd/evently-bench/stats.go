package main

import (
	"slices"
	"time"
)

// median returns the middle of values, the mean of the middle two if their number is even, and 0 if there
// are none.
func median[T int | float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// medianOf returns the median of a property of items.
func medianOf[S any, T int | float64 | time.Duration](items []S, property func(S) T) T {
	values := make([]T, len(items))
	for i, item := range items {
		values[i] = property(item)
	}
	return median(values)
}

// percentile returns the least of the ascending latencies that the given share of them does not exceed.
func percentile(latencies []time.Duration, share float64) time.Duration {
	if len(latencies) == 0 {
		return 0
	}
	return latencies[min(len(latencies)-1, int(share*float64(len(latencies))))]
}
