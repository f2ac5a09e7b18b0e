package service

import (
	"context"

	"evently/internal/domain"
)

// AnalyticsStore reports on bookings.
type AnalyticsStore interface {
	BookingReport(ctx context.Context, days int) (domain.BookingReport, error)
}

// Analytics is the use case of booking figures for admins.
type Analytics struct {
	store AnalyticsStore
}

// NewAnalytics returns an Analytics over store.
func NewAnalytics(store AnalyticsStore) *Analytics {
	return &Analytics{store: store}
}

// Report returns the report on the bookings of the last days UTC days, today included.
func (a *Analytics) Report(ctx context.Context, days int) (domain.BookingReport, error) {
	return a.store.BookingReport(ctx, days)
}
