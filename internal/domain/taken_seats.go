package domain

import "context"

// TakenSeats are seats of a show that somebody else had locked a moment ago, since the request came.
type TakenSeats struct {
	ShowID  int64
	SeatIDs []int64
}

// takenSeatsKey is the context key of TakenSeats.
type takenSeatsKey struct{}

// WithTakenSeats gives a context that carries which of the seats that a request wants are taken.
func WithTakenSeats(ctx context.Context, taken TakenSeats) context.Context {
	return context.WithValue(ctx, takenSeatsKey{}, taken)
}

// TakenSeatsFrom gives what was found to be taken of the show; none when nobody looked.
func TakenSeatsFrom(ctx context.Context, showID int64) []int64 {
	taken, _ := ctx.Value(takenSeatsKey{}).(TakenSeats)
	if taken.ShowID != showID {
		return nil
	}
	return taken.SeatIDs
}
