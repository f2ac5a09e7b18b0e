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

func (c ShowChange) Apply(s Show) Show {
	setIfGiven(&s.EventID, c.EventID)
	setIfGiven(&s.VenueID, c.VenueID)
	setIfGiven(&s.StartTime, c.StartTime)
	setIfGiven(&s.EndTime, c.EndTime)
	setIfGiven(&s.Price, c.Price)
	return s
}

func setIfGiven[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}
