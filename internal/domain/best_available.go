package domain

import (
	"cmp"
	"math"
	"slices"
)

// BestAvailable is a request for seats that the service chooses.
type BestAvailable struct {
	Quantity   int
	Accessible bool // at least one seat for a wheelchair; without it those and companion seats are left alone
	Split      bool // several pieces are better than nothing
}

// HallSeat is a seat as a choice sees it. The seats of a hall are in the order of SortSeats.
type HallSeat struct {
	Seat
	Free     bool
	Eligible bool // of a category, section and price that are asked for
}

// Choice is what ChooseSeats found.
type Choice struct {
	SeatIDs      []int64 // none if there is nothing
	NextToEach   bool    // all of them in one row without a gap
	LargestBlock int     // the most seats next to each other that there are, if SeatIDs is empty
}

// ChooseSeats chooses free seats: next to each other in one row, by number without a gap; leaving no orphan if that
// can be helped; then nearest the middle of the front. An orphan is a free seat between two taken ones.
//
// The middle of the front is where the smallest y and the middle x are, if all seats of the hall have both. Otherwise
// it is the middle number of the first row, and a row is as far from the next as a seat from its neighbour.
//
// Where no block is large enough and the request allows it, the choice is the fewest pieces, then those that leave the
// fewest people alone, then the fewest orphans, then those nearest the middle of the front in sum.
func ChooseSeats(hall []HallSeat, want BestAvailable) Choice {
	runs := freeRuns(hall, want)
	best, found := bestBlock(runs, want)
	if found {
		return Choice{SeatIDs: best.ids(), NextToEach: true}
	}
	if want.Split {
		if ids := choosePieces(runs, want); len(ids) > 0 {
			return Choice{SeatIDs: ids}
		}
	}
	largest := 0
	for _, run := range runs {
		if !want.Accessible || slices.ContainsFunc(run.seats, func(s placedSeat) bool { return s.Accessible }) {
			largest = max(largest, len(run.seats))
		}
	}
	return Choice{LargestBlock: min(largest, want.Quantity-1)}
}

// placedSeat is a seat and its distance from the middle of the front along both axes.
type placedSeat struct {
	HallSeat
	right, back float64
}

// freeRun is a longest sequence of seats that may be chosen, with consecutive numbers in one row.
type freeRun struct {
	seats []placedSeat
	// The two seats before and behind it: whether there is one, and whether it is taken.
	before, after [2]neighbour
}

type neighbour int

const (
	noSeat neighbour = iota
	freeSeat
	takenSeat
)

// freeRuns finds the runs of a hall.
func freeRuns(hall []HallSeat, want BestAvailable) []freeRun {
	placed := place(hall)
	var runs []freeRun
	for begin := 0; begin < len(placed); {
		end := begin
		for end < len(placed) && (end == begin || follows(&placed[end-1], &placed[end])) && mayChoose(&placed[end], want) {
			end++
		}
		if end == begin {
			begin++
			continue
		}
		runs = append(runs, freeRun{
			seats:  placed[begin:end],
			before: [2]neighbour{beside(placed, begin, -1), beside(placed, begin, -2)},
			after:  [2]neighbour{beside(placed, end-1, 1), beside(placed, end-1, 2)},
		})
		begin = end
	}
	return runs
}

func mayChoose(s *placedSeat, want BestAvailable) bool {
	return s.Free && s.Eligible && (want.Accessible || !s.Accessible && !s.Companion)
}

// follows reports whether b is the seat next to a, with the number after a's.
func follows(a, b *placedSeat) bool {
	return a.Section == b.Section && a.Row == b.Row && b.Number == a.Number+1
}

// beside returns what is so many places from a seat, if no number is missing on the way.
func beside(seats []placedSeat, from, offset int) neighbour {
	step := offset / max(offset, -offset)
	for at := from; at != from+offset; at += step {
		next := at + step
		if next < 0 || next >= len(seats) || !follows(&seats[min(at, next)], &seats[max(at, next)]) {
			return noSeat
		}
	}
	if seats[from+offset].Free {
		return freeSeat
	}
	return takenSeat
}

// place measures the seats of a hall.
func place(hall []HallSeat) []placedSeat {
	placed := make([]placedSeat, len(hall))
	for i := range hall {
		placed[i].HallSeat = hall[i]
	}
	if slices.ContainsFunc(hall, func(s HallSeat) bool { return s.X == nil || s.Y == nil }) {
		placeByNumber(placed)
	} else {
		placeByPosition(placed)
	}
	return placed
}

func placeByPosition(seats []placedSeat) {
	left, right, front := math.Inf(1), math.Inf(-1), math.Inf(1)
	for i := range seats {
		left, right, front = min(left, *seats[i].X), max(right, *seats[i].X), min(front, *seats[i].Y)
	}
	for i := range seats {
		seats[i].right, seats[i].back = *seats[i].X-(left+right)/2, *seats[i].Y-front
	}
}

func placeByNumber(seats []placedSeat) {
	row := 0
	for begin := 0; begin < len(seats); row++ {
		end := begin
		for end < len(seats) && seats[end].Section == seats[begin].Section && seats[end].Row == seats[begin].Row {
			end++
		}
		middle := float64(seats[begin].Number+seats[end-1].Number) / 2
		for i := begin; i < end; i++ {
			seats[i].right, seats[i].back = float64(seats[i].Number)-middle, float64(row)
		}
		begin = end
	}
}

// block is a piece of a run, and what choosing it costs.
type block struct {
	run      int
	seats    []placedSeat
	orphans  int
	distance float64 // of its centre from the middle of the front
}

func (b block) ids() []int64 {
	ids := make([]int64, len(b.seats))
	for i := range b.seats {
		ids[i] = b.seats[i].ID
	}
	return ids
}

func (b block) accessible() bool {
	return slices.ContainsFunc(b.seats, func(s placedSeat) bool { return s.Accessible })
}

// compareBlocks puts the better one first. Equal ones are in the order of the hall.
func compareBlocks(a, b block) int {
	return cmp.Or(cmp.Compare(a.orphans, b.orphans), cmp.Compare(a.distance, b.distance))
}

// blocks calls yield for each block of so many seats of a run.
func (r *freeRun) blocks(at, size int, yield func(block)) {
	for begin := 0; begin+size <= len(r.seats); begin++ {
		seats := r.seats[begin : begin+size]
		var right, back float64
		for i := range seats {
			right, back = right+seats[i].right, back+seats[i].back
		}
		yield(block{
			run: at, seats: seats, orphans: r.orphans(begin, size),
			distance: math.Hypot(right/float64(size), back/float64(size)),
		})
	}
}

// orphans counts the free seats that a block would leave alone between taken ones.
func (r *freeRun) orphans(begin, size int) int {
	count := 0
	if left := r.at(begin - 1); left == freeSeat && r.at(begin-2) == takenSeat {
		count++
	}
	if right := r.at(begin + size); right == freeSeat && r.at(begin+size+1) == takenSeat {
		count++
	}
	return count
}

// at returns what is at an index of the run, up to two places outside of it.
func (r *freeRun) at(i int) neighbour {
	switch {
	case i < 0:
		return r.before[-i-1]
	case i >= len(r.seats):
		return r.after[i-len(r.seats)]
	default:
		return freeSeat
	}
}

func bestBlock(runs []freeRun, want BestAvailable) (best block, found bool) {
	for i := range runs {
		runs[i].blocks(i, want.Quantity, func(b block) {
			if want.Accessible && !b.accessible() {
				return
			}
			if !found || compareBlocks(b, best) < 0 {
				best, found = b, true
			}
		})
	}
	return best, found
}
