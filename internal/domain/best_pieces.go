package domain

import (
	"cmp"
	"slices"
)

// pieces are some blocks of different runs, and what choosing all of them costs.
type pieces struct {
	blocks         []block
	alone, orphans int
	distance       float64
}

func comparePieces(a, b *pieces) int {
	return cmp.Or(
		cmp.Compare(len(a.blocks), len(b.blocks)), cmp.Compare(a.alone, b.alone),
		cmp.Compare(a.orphans, b.orphans), cmp.Compare(a.distance, b.distance),
	)
}

func (p *pieces) with(b block) *pieces {
	next := &pieces{
		blocks: append(slices.Clip(p.blocks), b), alone: p.alone,
		orphans: p.orphans + b.orphans, distance: p.distance + b.distance,
	}
	if len(b.seats) == 1 {
		next.alone++
	}
	return next
}

// choosePieces returns the ids of the best pieces of several runs, or none if there are too few seats. Each run gives
// at most one piece: two of them would not be fewer.
//
// It fills a table run by run: the best way to have so many pieces with so many seats, with and without one for a
// wheelchair.
func choosePieces(runs []freeRun, want BestAvailable) []int64 {
	most := fewestPieces(runs, want.Quantity)
	if most == 0 {
		return nil
	}
	if want.Accessible {
		most++ // the piece with the accessible seat may have to come on top
	}
	candidates := candidateBlocks(runs, want, most)
	table := make([]*pieces, (most+1)*(want.Quantity+1)*2)
	slot := func(count, seats int, accessible bool) **pieces {
		at := (count*(want.Quantity+1) + seats) * 2
		if accessible {
			at++
		}
		return &table[at]
	}
	*slot(0, 0, false) = &pieces{}
	for _, ofRun := range candidates {
		// From above, so that a run is used once.
		for count := most - 1; count >= 0; count-- {
			for seats := want.Quantity - 1; seats >= 0; seats-- {
				for _, accessible := range []bool{false, true} {
					from := *slot(count, seats, accessible)
					if from == nil {
						continue
					}
					for _, b := range ofRun {
						if seats+len(b.seats) > want.Quantity {
							continue
						}
						to := slot(count+1, seats+len(b.seats), accessible || b.accessible())
						if next := from.with(b); *to == nil || comparePieces(next, *to) < 0 {
							*to = next
						}
					}
				}
			}
		}
	}
	var best *pieces
	for count := 1; count <= most; count++ {
		for _, accessible := range []bool{true, want.Accessible} {
			if p := *slot(count, want.Quantity, accessible); p != nil && (best == nil || comparePieces(p, best) < 0) {
				best = p
			}
		}
	}
	if best == nil {
		return nil
	}
	slices.SortFunc(best.blocks, func(a, b block) int { return cmp.Compare(a.run, b.run) })
	var ids []int64
	for _, b := range best.blocks {
		ids = append(ids, b.ids()...)
	}
	return ids
}

// fewestPieces returns how many runs have so many seats together, the largest ones first; 0 if all have not.
func fewestPieces(runs []freeRun, quantity int) int {
	lengths := make([]int, len(runs))
	for i := range runs {
		lengths[i] = len(runs[i].seats)
	}
	slices.SortFunc(lengths, func(a, b int) int { return b - a })
	for i, length := range lengths {
		if quantity -= length; quantity <= 0 {
			return i + 1
		}
	}
	return 0
}

// candidateBlocks returns, by run, the blocks that the best choice of at most so many pieces can have: of each size, the
// best block of a run, of the best runs. Others have a better one in a run that no other piece uses.
func candidateBlocks(runs []freeRun, want BestAvailable, pieces int) [][]block {
	kinds := []bool{false}
	if want.Accessible {
		kinds = append(kinds, true)
	}
	byRun := map[int][]block{}
	for size := 1; size < want.Quantity; size++ {
		for _, accessible := range kinds {
			var ofSize []block
			for i := range runs {
				if b, ok := bestBlock(runs[i:i+1], BestAvailable{Quantity: size, Accessible: accessible}); ok {
					b.run = i
					ofSize = append(ofSize, b)
				}
			}
			slices.SortStableFunc(ofSize, compareBlocks)
			for _, b := range ofSize[:min(pieces, len(ofSize))] {
				byRun[b.run] = append(byRun[b.run], b)
			}
		}
	}
	var candidates [][]block
	for i := range runs {
		if len(byRun[i]) > 0 {
			candidates = append(candidates, byRun[i])
		}
	}
	return candidates
}
