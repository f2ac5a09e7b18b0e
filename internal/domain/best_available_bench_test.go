package domain_test

import (
	"math/rand/v2"
	"testing"

	"evently/internal/domain"
)

// BenchmarkChooseSeats chooses in a hall of 20,000 seats of which most are taken.
func BenchmarkChooseSeats(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	var hall []domain.HallSeat
	for row := range 200 {
		for number := range 100 {
			seat := domain.HallSeat{Free: random.IntN(4) == 0, Eligible: true}
			seat.ID, seat.Row, seat.Number = int64(len(hall)+1), string(rune('A'+row)), int32(number+1)
			hall = append(hall, seat)
		}
	}
	for name, want := range map[string]domain.BestAvailable{
		"two":           {Quantity: 2},
		"ten in pieces": {Quantity: 10, Split: true},
		"a hundred":     {Quantity: 100, Split: true},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				domain.ChooseSeats(hall, want)
			}
		})
	}
}
