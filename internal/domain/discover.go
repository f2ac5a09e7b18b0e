package domain

import "time"

// ShowFilter selects among the shows that have not begun. The zero value selects all.
type ShowFilter struct {
	Venue         string     // part of the venue's name, compared by Fold; "" is any
	Event         string     // part of the event's title, compared by Fold; "" is any
	From          *time.Time // earliest start, inclusive; nil is none
	Until         *time.Time // latest start, inclusive; nil is none
	AvailableOnly bool       // only shows with an available seat
}

// ShowPosition is a place in a list of shows by start: that of the show itself.
type ShowPosition struct {
	StartTime time.Time
	ShowID    int64
}
