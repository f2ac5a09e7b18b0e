package service

import (
	"context"

	"evently/internal/domain"
)

// ShowReader is what Discover needs of the store.
type ShowReader interface {
	// Shows gives up to limit shows behind after (nil is the head), soonest first, and
	// whether there are more.
	Shows(ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error)
	// Show gives one show, past or coming, or domain.ErrShowNotFound.
	Show(ctx context.Context, showID int64) (domain.ShowDetails, error)
}

// Discover is how people find a show and a seat. Nothing in it depends on who asks.
type Discover struct {
	shows ShowReader
}

// NewDiscover gives a Discover over shows.
func NewDiscover(shows ShowReader) *Discover { return &Discover{shows: shows} }

// Upcoming gives up to limit shows that have not started, soonest first, and whether there
// are more.
func (d *Discover) Upcoming(ctx context.Context, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error) {
	return d.shows.Shows(ctx, domain.ShowFilter{}, after, limit)
}

// Search gives up to limit shows that pass the filter, soonest first, and whether there are
// more. It finds upcoming shows, as Upcoming does, unless filter.From reaches into the past:
// somebody who names a past day asks what was on.
func (d *Discover) Search(ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error) {
	return d.shows.Shows(ctx, filter, after, limit)
}

// Show gives one show, past or coming, or domain.ErrShowNotFound.
func (d *Discover) Show(ctx context.Context, showID int64) (domain.ShowDetails, error) {
	return d.shows.Show(ctx, showID)
}
