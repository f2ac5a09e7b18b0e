package handler

import (
	"encoding/json"
	"strconv"

	"evently/internal/domain"
)

// seatMapBytes is about what one seat takes in a seat map.
const seatMapBytes = 96

// encodeSeatMap gives {"seats": [seat with status]} as encoding/json would write it. It does so
// by hand because a hall of 20,000 seats is the largest answer there is, and asked for often.
func encodeSeatMap(seats []domain.ShowSeat) ([]byte, error) {
	b := make([]byte, 0, len(seats)*seatMapBytes+len(`{"seats":[]}`))
	b = append(b, `{"seats":[`...)
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
	return append(b, `]}`...), nil
}
