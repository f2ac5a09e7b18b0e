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

type analyticsResponse struct {
	MostBookedEvents  []eventBookingsDTO     `json:"most_booked_events"`
	CancellationRates []showCancellationsDTO `json:"cancellation_rates"`
	DailyBookingStats []dayBookingsDTO       `json:"daily_booking_stats"`
	GeneratedAt       time.Time              `json:"generated_at"`
}

type eventBookingsDTO struct {
	EventID             int64       `json:"event_id"`
	Title               string      `json:"title"`
	TotalBookings       int         `json:"total_bookings"`
	TotalRevenue        moneyOutput `json:"total_revenue"`
	AverageBookingValue moneyOutput `json:"average_booking_value"`
}

type showCancellationsDTO struct {
	ShowID            int64         `json:"show_id"`
	EventTitle        string        `json:"event_title"`
	VenueName         string        `json:"venue_name"`
	TotalBookings     int           `json:"total_bookings"`
	CancelledBookings int           `json:"cancelled_bookings"`
	CancellationRate  percentOutput `json:"cancellation_rate"`
}

type dayBookingsDTO struct {
	Date                string      `json:"date"`
	TotalBookings       int         `json:"total_bookings"`
	ConfirmedBookings   int         `json:"confirmed_bookings"`
	CancelledBookings   int         `json:"cancelled_bookings"`
	PendingBookings     int         `json:"pending_bookings"`
	TotalRevenue        moneyOutput `json:"total_revenue"`
	AverageBookingValue moneyOutput `json:"average_booking_value"`
}

type percentOutput int64

func (p percentOutput) MarshalJSON() ([]byte, error) { return moneyOutput(p).MarshalJSON() }

// Get serves GET /admin/analytics, by default of the last 30 days.
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

func toAnalytics(report domain.BookingReport) analyticsResponse {
	return analyticsResponse{
		MostBookedEvents: mapSlice(report.MostBookedEvents, func(e domain.EventBookings) eventBookingsDTO {
			return eventBookingsDTO{
				EventID: e.EventID, Title: e.Title, TotalBookings: e.TotalBookings,
				TotalRevenue:        moneyOutput(e.Revenue),
				AverageBookingValue: moneyOutput(e.AverageBookingValue),
			}
		}),
		CancellationRates: mapSlice(report.CancellationRates, func(s domain.ShowCancellations) showCancellationsDTO {
			return showCancellationsDTO{
				ShowID: s.ShowID, EventTitle: s.EventTitle, VenueName: s.VenueName,
				TotalBookings: s.TotalBookings, CancelledBookings: s.CancelledBookings,
				CancellationRate: percentOutput(s.CancellationRate),
			}
		}),
		DailyBookingStats: mapSlice(report.Daily, func(d domain.DayBookings) dayBookingsDTO {
			return dayBookingsDTO{
				Date:          d.Date.Format(time.DateOnly),
				TotalBookings: d.TotalBookings, ConfirmedBookings: d.ConfirmedBookings,
				CancelledBookings: d.CancelledBookings, PendingBookings: d.PendingBookings,
				TotalRevenue:        moneyOutput(d.Revenue),
				AverageBookingValue: moneyOutput(d.AverageBookingValue),
			}
		}),
		GeneratedAt: report.GeneratedAt.UTC(),
	}
}
