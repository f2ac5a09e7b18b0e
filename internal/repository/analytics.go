package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// Sections of the rows that BookingReport selects.
const (
	sectionEvents = 1
	sectionShows  = 2
	sectionDays   = 3
)

// BookingReport reports on the bookings made since the start of the UTC day that is days-1 days ago.
func (s *Store) BookingReport(ctx context.Context, days int) (report domain.BookingReport, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, bookingReport, days)
		if err != nil {
			return err
		}
		report, err = collectReport(rows)
		return err
	})
	return report, err
}

// bookingReport is one statement, so that all its figures are of one moment.
const bookingReport = `
	WITH booked AS (
		SELECT bookings.show_id,
		       (bookings.created_at AT TIME ZONE 'UTC')::date AS day,
		       bookings.status = 'CONFIRMED' AS confirmed,
		       ` + liveBooking + ` AS live,
		       count(payments.payment_id) > 0 AS ever_paid,
		       sum(payments.amount) FILTER (WHERE payments.status = 'succeeded' AND NOT ` + expiredHold + `) AS revenue
		FROM bookings
		LEFT JOIN payments
		       ON payments.booking_id = bookings.booking_id
		      AND payments.status IN (` + paidStates + `)
		WHERE bookings.created_at >= (date_trunc('day', now() AT TIME ZONE 'UTC')
		                              - make_interval(days => $1::int - 1)) AT TIME ZONE 'UTC'
		GROUP BY bookings.booking_id
	), made AS MATERIALIZED (
		SELECT show_id, day,
		       count(*) AS total,
		       count(*) FILTER (WHERE confirmed) AS confirmed,
		       count(*) FILTER (WHERE live AND NOT confirmed) AS pending,
		       count(*) FILTER (WHERE live OR ever_paid) AS counted,
		       count(*) FILTER (WHERE ever_paid AND NOT live) AS called_off,
		       count(revenue) AS paid,
		       coalesce(sum(revenue), 0) AS revenue,
		       coalesce(sum(revenue) FILTER (WHERE confirmed), 0) AS confirmed_revenue
		FROM booked
		GROUP BY show_id, day
	), by_event AS (
		SELECT event_id, sum(confirmed) AS total, sum(confirmed_revenue) AS revenue
		FROM made
		JOIN shows USING (show_id)
		GROUP BY event_id
		HAVING sum(confirmed) > 0
		ORDER BY total DESC, revenue DESC, event_id
		LIMIT 10
	), by_show AS (
		SELECT show_id, event_id, venue_id, sum(counted) AS total, sum(called_off) AS cancelled
		FROM made
		JOIN shows USING (show_id)
		WHERE deleted_at IS NULL
		GROUP BY show_id, event_id, venue_id
		HAVING sum(counted) > 0
		ORDER BY sum(called_off) / sum(counted) DESC, total DESC, show_id
		LIMIT 100
	), by_day AS (
		SELECT (now() AT TIME ZONE 'UTC')::date - ago AS day,
		       coalesce(sum(total), 0) AS total,
		       coalesce(sum(confirmed), 0) AS confirmed,
		       coalesce(sum(pending), 0) AS pending,
		       coalesce(sum(paid), 0) AS paid,
		       coalesce(sum(revenue), 0) AS revenue
		FROM generate_series(0, $1::int - 1) AS ago
		LEFT JOIN made ON made.day = (now() AT TIME ZONE 'UTC')::date - ago
		GROUP BY ago
	)
	SELECT 1 AS section,
	       row_number() OVER (ORDER BY total DESC, revenue DESC, event_id) AS place,
	       event_id AS id, title, '' AS venue_name, NULL::date AS day,
	       total::bigint, 0::bigint AS confirmed, 0::bigint AS cancelled, 0::bigint AS pending,
	       0::bigint AS rate,
	       revenue, round(revenue / total, 2) AS average,
	       now() AS generated_at
	FROM by_event
	JOIN events USING (event_id)
	UNION ALL
	SELECT 2,
	       row_number() OVER (ORDER BY cancelled / total DESC, total DESC, show_id),
	       show_id, title, venue_name, NULL,
	       total::bigint, 0, cancelled::bigint, 0,
	       round(10000 * cancelled / total)::bigint,
	       0, 0,
	       now()
	FROM by_show
	JOIN events USING (event_id)
	JOIN venues USING (venue_id)
	UNION ALL
	SELECT 3,
	       row_number() OVER (ORDER BY day DESC),
	       0, '', '', day,
	       total::bigint, confirmed::bigint, (total - confirmed - pending)::bigint, pending::bigint,
	       0,
	       revenue, coalesce(round(revenue / NULLIF(paid, 0), 2), 0),
	       now()
	FROM by_day
	ORDER BY section, place`

func collectReport(rows pgx.Rows) (report domain.BookingReport, err error) {
	var (
		section, place                       int
		id                                   int64
		title, venue                         string
		day                                  *time.Time
		total, confirmed, cancelled, pending int
		rate                                 int
		revenue, average                     domain.Money
	)
	into := []any{
		&section, &place, &id, &title, &venue, &day, &total, &confirmed, &cancelled, &pending,
		&rate, (*numeric)(&revenue), (*numeric)(&average), &report.GeneratedAt,
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		switch section {
		case sectionEvents:
			report.MostBookedEvents = append(report.MostBookedEvents, domain.EventBookings{
				EventID: id, Title: title, TotalBookings: total, Revenue: revenue, AverageBookingValue: average,
			})
		case sectionShows:
			report.CancellationRates = append(report.CancellationRates, domain.ShowCancellations{
				ShowID: id, EventTitle: title, VenueName: venue,
				TotalBookings: total, CancelledBookings: cancelled, CancellationRate: rate,
			})
		case sectionDays:
			report.Daily = append(report.Daily, domain.DayBookings{
				Date: *day, TotalBookings: total, ConfirmedBookings: confirmed,
				CancelledBookings: cancelled, PendingBookings: pending,
				Revenue: revenue, AverageBookingValue: average,
			})
		}
		return nil
	})
	return report, err
}
