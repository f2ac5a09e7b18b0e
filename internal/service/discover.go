package service

import (
	"context"

	"evently/internal/domain"
)

// ShowReader reads shows for Discover.
type ShowReader interface {
	// Shows returns up to limit shows after the given position (nil for the first page), soonest
	// first, and whether there are more.
	Shows(ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error)
	// Show returns one show, past or upcoming. It returns domain.ErrShowNotFound.
	Show(ctx context.Context, showID int64) (domain.ShowDetails, error)
}

// Discover is the public catalog of shows.
type Discover struct {
	shows ShowReader
}

// NewDiscover returns a Discover over shows.
func NewDiscover(shows ShowReader) *Discover { return &Discover{shows: shows} }

// Upcoming returns up to limit shows that have not started, soonest first, and whether there are more.
func (d *Discover) Upcoming(ctx context.Context, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error) {
	return d.shows.Shows(ctx, domain.ShowFilter{}, after, limit)
}

// Search returns up to limit shows that pass the filter, soonest first, and whether there are more. It
// finds upcoming shows only, unless filter.From is in the past.
func (d *Discover) Search(ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error) {
	return d.shows.Shows(ctx, filter, after, limit)
}

// Show returns one show, past or upcoming. It returns domain.ErrShowNotFound.
func (d *Discover) Show(ctx context.Context, showID int64) (domain.ShowDetails, error) {
	return d.shows.Show(ctx, showID)
}
