package service

import (
	"context"

	"evently/internal/domain"
)

// ShowReader reads shows.
type ShowReader interface {
	Shows(ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error)
	Show(ctx context.Context, showID int64) (domain.ShowDetails, error)
}

// Discover is the public catalog: it is the same for every user.
type Discover struct {
	shows ShowReader
}

// NewDiscover returns a Discover over shows.
func NewDiscover(shows ShowReader) *Discover { return &Discover{shows: shows} }

// Upcoming returns up to limit shows that have not begun, soonest first, and whether there are more.
func (d *Discover) Upcoming(ctx context.Context, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error) {
	return d.shows.Shows(ctx, domain.ShowFilter{}, after, limit)
}

// Search is Upcoming for the shows that match the filter.
func (d *Discover) Search(ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error) {
	return d.shows.Shows(ctx, filter, after, limit)
}

// Show returns a show, past or coming, or domain.ErrShowNotFound.
func (d *Discover) Show(ctx context.Context, showID int64) (domain.ShowDetails, error) {
	return d.shows.Show(ctx, showID)
}
