package handler

import (
	"encoding/json"
	"slices"
	"strconv"

	"evently/internal/domain"
)

// seatBytes is about what one seat takes in a seat map.
const seatBytes = 96

// AppendSeats appends seats with their status, and commas between them, as encoding/json would
// write the items of a list. It does so by hand because a hall of 20,000 seats is the largest answer
// there is, and changes often.
func AppendSeats(b []byte, seats []domain.ShowSeat) ([]byte, error) {
	b = slices.Grow(b, len(seats)*seatBytes)
	var row string       // the row of the last seat: seats come row by row
	var quotedRow []byte // and its JSON form
	for i, seat := range seats {
		if i > 0 {
			b = append(b, ',')
		}
		if quotedRow == nil || seat.Row != row {
			var err error
			if quotedRow, err = json.Marshal(seat.Row); err != nil {
				return nil, domain.ErrInternal.WithCause(err)
			}
			row = seat.Row
		}
		b = append(b, `{"seat_id":`...)
		b = strconv.AppendInt(b, seat.ID, 10)
		b = append(b, `,"venue_id":`...)
		b = strconv.AppendInt(b, seat.VenueID, 10)
		b = append(b, `,"seat_row":`...)
		b = append(b, quotedRow...)
		b = append(b, `,"seat_number":`...)
		b = strconv.AppendInt(b, int64(seat.Number), 10)
		b = append(b, `,"status":"`...)
		b = append(b, seat.Status...) // one of three words of capitals
		b = append(b, `"}`...)
	}
	return b, nil
}
