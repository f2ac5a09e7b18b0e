package domain_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"evently/internal/domain"
)

// draw reads a hall from a picture, the front row first: . is a free seat, x a taken one, w one for a wheelchair, c one
// beside it, - a free one that is not asked for, and a space is no seat, though it has a number.
func draw(picture ...string) []domain.HallSeat {
	var hall []domain.HallSeat
	for row, line := range picture {
		for at, sign := range line {
			if sign == ' ' {
				continue
			}
			seat := domain.HallSeat{Free: sign != 'x', Eligible: sign != '-'}
			seat.ID, seat.Row, seat.Number = int64(len(hall)+1), string(rune('A'+row)), int32(at+1)
			seat.Accessible, seat.Companion = sign == 'w', sign == 'c'
			hall = append(hall, seat)
		}
	}
	return hall
}

// mark draws the choice into the picture, with an O for each seat.
func mark(picture []string, hall []domain.HallSeat, ids []int64) []string {
	marked := slices.Clone(picture)
	for _, seat := range hall {
		if slices.Contains(ids, seat.ID) {
			row, at := int(seat.Row[0]-'A'), int(seat.Number-1)
			marked[row] = marked[row][:at] + "O" + marked[row][at+1:]
		}
	}
	return marked
}

func TestChooseSeats_Pictures(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want     domain.BestAvailable
		hall     []string
		chosen   []string
		together bool
		largest  int
	}{
		"the middle of the front": {
			domain.BestAvailable{Quantity: 2},
			[]string{"......", "......"},
			[]string{"..OO..", "......"}, true, 0,
		},
		"one seat back is nearer than two to the side": {
			domain.BestAvailable{Quantity: 1},
			[]string{"..xxx..", "......."},
			[]string{"..xxx..", "...O..."}, true, 0,
		},
		"no gap": {
			domain.BestAvailable{Quantity: 3},
			[]string{".. ..", "....."},
			[]string{".. ..", ".OOO."}, true, 0,
		},
		"no orphan": {
			domain.BestAvailable{Quantity: 2},
			[]string{"x...x...."},
			[]string{"x...xOO.."}, true, 0,
		},
		"an orphan rather than nothing": {
			domain.BestAvailable{Quantity: 2},
			[]string{"x...x"},
			[]string{"xOO.x"}, true, 0,
		},
		"the end of a row makes no orphan": {
			domain.BestAvailable{Quantity: 2},
			[]string{"...x"},
			[]string{".OOx"}, true, 0,
		},
		"what stays free counts, whoever may have it": {
			domain.BestAvailable{Quantity: 1},
			[]string{"xw.xx."},
			[]string{"xw.xxO"}, true, 0,
		},
		"seats for wheelchairs are left alone": {
			domain.BestAvailable{Quantity: 2},
			[]string{"..wc..", "......"},
			[]string{"..wc..", "..OO.."}, true, 0,
		},
		"a wheelchair and company": {
			domain.BestAvailable{Quantity: 3, Accessible: true},
			[]string{"......", "wc...."},
			[]string{"......", "OOO..."}, true, 0,
		},
		"only what is asked for": {
			domain.BestAvailable{Quantity: 2},
			[]string{"------", "......"},
			[]string{"------", "..OO.."}, true, 0,
		},
		"nothing": {
			domain.BestAvailable{Quantity: 4},
			[]string{"..x...", "x.x.x."},
			[]string{"..x...", "x.x.x."}, false, 3,
		},
		"nothing for a wheelchair": {
			domain.BestAvailable{Quantity: 2, Accessible: true, Split: true},
			[]string{"......", "......"},
			[]string{"......", "......"}, false, 0,
		},
		"sold out": {
			domain.BestAvailable{Quantity: 1, Split: true},
			[]string{"xx", "xx"},
			[]string{"xx", "xx"}, false, 0,
		},
		"split: the fewest pieces": {
			domain.BestAvailable{Quantity: 5, Split: true},
			[]string{"x..x..x", "x....xx"},
			[]string{"xOOx..x", "x.OOOxx"}, false, 0,
		},
		"split: nobody alone": {
			domain.BestAvailable{Quantity: 4, Split: true},
			[]string{"x...x.x", "x..xxxx"},
			[]string{"x.OOx.x", "xOOxxxx"}, false, 0,
		},
		"split: with a seat for a wheelchair": {
			domain.BestAvailable{Quantity: 4, Split: true, Accessible: true},
			[]string{"x...x...x", "xwxxxxxxx"},
			[]string{"xOOOx...x", "xOxxxxxxx"}, false, 0,
		},
		"split: too few seats": {
			domain.BestAvailable{Quantity: 4, Split: true},
			[]string{"x..x.x"},
			[]string{"x..x.x"}, false, 2,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hall := draw(tt.hall...)
			got := domain.ChooseSeats(hall, tt.want)
			marked := mark(tt.hall, hall, got.SeatIDs)
			if !slices.Equal(marked, tt.chosen) || got.NextToEach != tt.together || got.LargestBlock != tt.largest {
				t.Errorf("together %v, largest block %d; got\n%s\nwant\n%s", got.NextToEach, got.LargestBlock,
					strings.Join(marked, "\n"), strings.Join(tt.chosen, "\n"))
			}
		})
	}
}

func TestChooseSeats_ByPosition(t *testing.T) {
	t.Parallel()
	hall := draw("....", "....")
	for i := range hall {
		// The plan has the stage at the other end, and the numbers from right to left.
		hall[i].X, hall[i].Y = new(float64(100-10*hall[i].Number)), new(float64(20-10*int(hall[i].Row[0]-'A')))
	}
	picture := []string{"....", "...."}
	if got := mark(picture, hall, domain.ChooseSeats(hall, domain.BestAvailable{Quantity: 2}).SeatIDs); !slices.Equal(got, []string{"....", ".OO."}) {
		t.Errorf("got %q", got)
	}
}

// cost is what the documented rules say of a choice: the smaller the better, from left to right.
type cost struct {
	pieces, alone, orphans int
	distance               float64
}

func (c cost) better(d cost) bool {
	const same = 1e-9
	switch {
	case c.pieces != d.pieces:
		return c.pieces < d.pieces
	case c.alone != d.alone:
		return c.alone < d.alone
	case c.orphans != d.orphans:
		return c.orphans < d.orphans
	}
	return c.distance < d.distance-same
}

// reference tries all sets of seats of a small hall.
type reference struct {
	picture []string
	want    domain.BestAvailable
}

func (r reference) sign(row, at int) byte {
	if at < 0 || at >= len(r.picture[row]) {
		return ' '
	}
	return r.picture[row][at]
}

// costOf measures a set of places, given as row*100+column in ascending order; ok is false if it is no choice.
func (r reference) costOf(places []int) (c cost, ok bool) {
	accessible := false
	for begin := 0; begin < len(places); {
		end := begin + 1
		for end < len(places) && places[end] == places[end-1]+1 {
			end++
		}
		row, first, last := places[begin]/100, places[begin]%100, places[end-1]%100
		size := end - begin
		c.pieces++
		if size == 1 {
			c.alone++
		}
		if r.sign(row, first-1) != ' ' && r.sign(row, first-1) != 'x' && r.sign(row, first-2) == 'x' {
			c.orphans++
		}
		if r.sign(row, last+1) != ' ' && r.sign(row, last+1) != 'x' && r.sign(row, last+2) == 'x' {
			c.orphans++
		}
		line := strings.TrimRight(r.picture[row], " ")
		lowest := len(line) - len(strings.TrimLeft(line, " "))
		right := float64(first+last)/2 - float64(lowest+len(line)-1)/2
		c.distance += math.Hypot(right, float64(row))
		begin = end
	}
	for _, place := range places {
		accessible = accessible || r.sign(place/100, place%100) == 'w'
	}
	return c, accessible || !r.want.Accessible
}

func (r reference) best() (best cost, found bool) {
	var free []int
	for row, line := range r.picture {
		for at := range line {
			sign := line[at]
			if sign == '.' || r.want.Accessible && (sign == 'w' || sign == 'c') {
				free = append(free, row*100+at)
			}
		}
	}
	var try func(from int, chosen []int)
	try = func(from int, chosen []int) {
		if len(chosen) == r.want.Quantity {
			c, ok := r.costOf(chosen)
			if ok && (c.pieces == 1 || r.want.Split) && (!found || c.better(best)) {
				best, found = c, true
			}
			return
		}
		for i := from; i < len(free); i++ {
			try(i+1, append(slices.Clip(chosen), free[i]))
		}
	}
	try(0, nil)
	return best, found
}

func TestChooseSeats_PropertyAsGoodAsTryingAll(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 3000 {
		picture := make([]string, 1+random.IntN(3))
		for row := range picture {
			for range 3 + random.IntN(5) {
				picture[row] += string(".....xxxwc- "[random.IntN(12)])
			}
			if strings.TrimSpace(picture[row]) == "" {
				picture[row] = "x"
			}
		}
		want := domain.BestAvailable{Quantity: 1 + random.IntN(5), Accessible: random.IntN(3) == 0, Split: random.IntN(2) == 0}
		r := reference{picture, want}
		best, found := r.best()
		hall := draw(picture...)
		got := domain.ChooseSeats(hall, want)
		at := fmt.Sprintf("seed %d, round %d: %+v\n%s\n", seed, round, want, strings.Join(mark(picture, hall, got.SeatIDs), "\n"))
		if found != (len(got.SeatIDs) > 0) {
			t.Fatalf("%sthere is a choice: %v", at, found)
		}
		if !found {
			continue
		}
		var places []int
		for _, seat := range hall {
			if slices.Contains(got.SeatIDs, seat.ID) {
				places = append(places, int(seat.Row[0]-'A')*100+int(seat.Number-1))
			}
		}
		c, ok := r.costOf(places)
		if !ok || len(places) != want.Quantity || best.better(c) || got.NextToEach != (c.pieces == 1) {
			t.Fatalf("%scosts %+v, the best %+v", at, c, best)
		}
	}
}
