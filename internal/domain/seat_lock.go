package domain

// TakenSeat is a seat whose Redis lock belongs to another request.
type TakenSeat struct {
	SeatID int64
	UserID int64 // who locked it; 0 if unknown
}
