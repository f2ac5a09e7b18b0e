package seatmap_test

import (
	"fmt"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/seatmap"
	"evently/internal/testkit"
)

// BenchmarkSeatMapAfterAChange locks or releases one seat and gets the map. The clock stands still, so the database
// is not asked in between.
func BenchmarkSeatMapAfterAChange(b *testing.B) {
	for _, seats := range []int{2_000, 20_000} {
		b.Run(fmt.Sprintf("seats=%d", seats), func(b *testing.B) {
			clock := testkit.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
			maps := seatmap.New(newReader(seats), seatmap.Options{MaxAge: maxAge, MaxBytes: 64 << 20, Now: clock.Now})
			before, err := maps.Get(b.Context(), show)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for n := int64(2); b.Loop(); n++ {
				booking := n / 2
				change := domain.SeatChange{
					ShowID: show, BookingID: booking, SeatIDs: []int64{1 + booking*7919%int64(seats)},
					Status: domain.SeatLocked, HoldFor: time.Hour,
				}
				if n%2 == 1 {
					change.Status = domain.SeatAvailable
				}
				maps.Changed(change)
				after, err := maps.Get(b.Context(), show)
				if err != nil || after == before || len(after.Gzip()) == 0 {
					b.Fatal("the map does not show the change: ", err)
				}
				before = after
			}
		})
	}
}

// BenchmarkSeatMapFirstRead reads and encodes a whole map.
func BenchmarkSeatMapFirstRead(b *testing.B) {
	r := newReader(20_000)
	b.ReportAllocs()
	for b.Loop() {
		maps := seatmap.New(r, seatmap.Options{MaxAge: maxAge, MaxBytes: 64 << 20, Now: time.Now})
		if _, err := maps.Get(b.Context(), show); err != nil {
			b.Fatal(err)
		}
	}
}
