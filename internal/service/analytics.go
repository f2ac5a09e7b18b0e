package service

import (
	"context"

	"evently/internal/domain"
)

// AnalyticsStore reads how bookings went.
type AnalyticsStore interface {
	BookingReport(ctx context.Context, days int) (domain.BookingReport, error)
}

// Analytics tells admins how bookings go.
type Analytics struct {
	store AnalyticsStore
}

// NewAnalytics gives an Analytics over store.
func NewAnalytics(store AnalyticsStore) *Analytics {
	return &Analytics{store: store}
}

// Report gives the report on the bookings made in the last days days, today, in UTC, being one.
func (a *Analytics) Report(ctx context.Context, days int) (domain.BookingReport, error) {
	return a.store.BookingReport(ctx, days)
}
