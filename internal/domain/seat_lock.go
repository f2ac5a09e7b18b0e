package domain

// TakenSeat is a seat whose lock carries another token than that of a request.
type TakenSeat struct {
	SeatID int64
	UserID int64 // the user of that token; 0 if it is not known
}
