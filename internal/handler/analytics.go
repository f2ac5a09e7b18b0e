package handler

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"evently/internal/domain"
	"evently/internal/respcache"
	"evently/internal/service"
)

// Analytics serves the admin route for booking statistics.
type Analytics struct {
	analytics service.AnalyticsReader
	cache     *respcache.Cache
}

// NewAnalytics returns an Analytics over analytics that caches its reports.
func NewAnalytics(analytics service.AnalyticsReader, cache *respcache.Cache) *Analytics {
	return &Analytics{analytics: analytics, cache: cache}
}

type percentOutput int64

func (p percentOutput) MarshalJSON() ([]byte, error) { return moneyOutput(p).MarshalJSON() }

func (h *Analytics) Get(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	days := q.number("days", 30, 365)
	if q.err != nil {
		return q.err
	}
	body, err := h.cache.Get(r.Context(), strconv.Itoa(days), func(ctx context.Context) (any, error) {
		report, err := h.analytics.BookingReport(ctx, days)
		return toAnalytics(report), err
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonType)
	writePlain(w, body)
	return nil
}

func toAnalytics(report domain.BookingReport) envelope {
	return envelope{
		"most_booked_events": mapSlice(report.MostBookedEvents, func(e domain.EventBookings) envelope {
			return envelope{
				"event_id":              e.EventID,
				"title":                 e.Title,
				"total_bookings":        e.TotalBookings,
				"total_revenue":         moneyOutput(e.Revenue),
				"average_booking_value": moneyOutput(e.AverageBookingValue),
			}
		}),
		"cancellation_rates": mapSlice(report.CancellationRates, func(s domain.ShowCancellations) envelope {
			return envelope{
				"show_id":            s.ShowID,
				"event_title":        s.EventTitle,
				"venue_name":         s.VenueName,
				"total_bookings":     s.TotalBookings,
				"cancelled_bookings": s.CancelledBookings,
				"cancellation_rate":  percentOutput(s.CancellationRate),
			}
		}),
		"daily_booking_stats": mapSlice(report.Daily, func(d domain.DayBookings) envelope {
			return envelope{
				"date":                  d.Date.Format(time.DateOnly),
				"total_bookings":        d.TotalBookings,
				"confirmed_bookings":    d.ConfirmedBookings,
				"cancelled_bookings":    d.CancelledBookings,
				"pending_bookings":      d.PendingBookings,
				"total_revenue":         moneyOutput(d.Revenue),
				"average_booking_value": moneyOutput(d.AverageBookingValue),
			}
		}),
		"generated_at": report.GeneratedAt.UTC(),
	}
}
