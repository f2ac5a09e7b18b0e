package domain

import "time"

// Errors of a show's times.
var (
	ErrEndNotAfterStart = ErrValidation.WithDetails("end_time: must be after start_time")
	ErrShowTooLong      = ErrValidation.WithDetails("end_time: must be at most 7 days after start_time")
	ErrStartInThePast   = ErrValidation.WithDetails("start_time: must not be in the past")
)

// maxShowLength is far more than any show lasts, and less than a wrong month or year makes it.
const maxShowLength = 7 * 24 * time.Hour

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

// CheckTimes returns ErrEndNotAfterStart, ErrShowTooLong or ErrStartInThePast if s may not get its times at now. Before,
// it was old, or the zero Show. Times that stay are not checked: a show that has begun may get another price.
func (s Show) CheckTimes(old Show, now time.Time) error {
	// Clients in JavaScript send milliseconds back.
	same := func(a, b time.Time) bool { return a.Truncate(time.Millisecond).Equal(b.Truncate(time.Millisecond)) }
	startStays := same(s.StartTime, old.StartTime)
	switch {
	case startStays && same(s.EndTime, old.EndTime):
		return nil
	case !startStays && s.StartTime.Before(now):
		return ErrStartInThePast
	case !s.EndTime.After(s.StartTime):
		return ErrEndNotAfterStart
	case s.EndTime.Sub(s.StartTime) > maxShowLength:
		return ErrShowTooLong
	}
	return nil
}
