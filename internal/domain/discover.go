package domain

import "time"

// ShowFilter narrows a list of shows. The zero value is every upcoming show.
type ShowFilter struct {
	Venue         string     // part of the venue's name, without regard to case; "" is any
	Event         string     // part of the event's title, without regard to case; "" is any
	From          *time.Time // earliest start, inclusive; nil is "from now on"
	Until         *time.Time // latest start, inclusive; nil is open
	AvailableOnly bool       // only shows with a seat that can be had
}

// ShowPosition is a place in a list of shows by start: that of the show itself.
type ShowPosition struct {
	StartTime time.Time
	ShowID    int64
}
