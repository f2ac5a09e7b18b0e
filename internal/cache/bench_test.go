package cache_test

import (
	"fmt"
	"testing"
	"time"

	"evently/internal/cache"
	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/testkit"
)

// BenchmarkSeatMapAfterAChange locks one seat and gives the map with it, in both of its forms. The
// clock stands still, so that the database is not asked in between.
func BenchmarkSeatMapAfterAChange(b *testing.B) {
	for _, seats := range []int{2_000, 20_000} {
		b.Run(fmt.Sprintf("seats=%d", seats), func(b *testing.B) {
			clock := testkit.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
			maps := cache.NewSeatMaps(newBooks(seats), handler.AppendSeats,
				cache.Options{MaxAge: maxAge, MaxBytes: 64 << 20, Now: clock.Now})
			before, err := maps.Get(b.Context(), show)
			if err != nil {
				b.Fatal(err)
			}
			booking := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				booking++
				maps.Changed(domain.SeatChange{
					ShowID: show, BookingID: booking, SeatIDs: []int64{1 + booking*7919%int64(seats)},
					Status: domain.SeatLocked, HoldFor: time.Hour,
				})
				after, err := maps.Get(b.Context(), show)
				if err != nil || after == before || len(after.Gzip()) == 0 {
					b.Fatal("the map does not show the change: ", err)
				}
				before = after
			}
		})
	}
}
