package domain

import "time"

// ErrEndNotAfterStart refuses a show that ends before it starts.
var ErrEndNotAfterStart = ErrValidation.WithDetails("end_time: must be after start_time")

// VenueChange is a change of a venue. A nil field is unchanged.
type VenueChange struct {
	Name    *string
	Address *string
}

// ShowChange is a change of a show. A nil field is unchanged.
type ShowChange struct {
	EventID   *int64
	VenueID   *int64
	StartTime *time.Time
	EndTime   *time.Time
	Price     *Money // per seat
}

// Apply returns s with the change.
func (c ShowChange) Apply(s Show) Show {
	if c.EventID != nil {
		s.EventID = *c.EventID
	}
	if c.VenueID != nil {
		s.VenueID = *c.VenueID
	}
	if c.StartTime != nil {
		s.StartTime = *c.StartTime
	}
	if c.EndTime != nil {
		s.EndTime = *c.EndTime
	}
	if c.Price != nil {
		s.Price = *c.Price
	}
	return s
}
