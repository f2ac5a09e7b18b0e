package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// Sections of a booking report, as its one statement labels them.
const (
	sectionEvents = 1
	sectionShows  = 2
	sectionDays   = 3
)

// BookingReport reports on the bookings made since the start of the UTC day that is days-1 days
// ago. It is one statement, so that its parts agree with each other and the bookings are read
// once.
//
// A hold whose time is over counts as cancelled and what was paid for it as refunded, whether or
// not that has been written down. The first list has 10 events at most, the second 100 shows
// that are not deleted; each day has a row even without bookings, for a chart has no gaps.
func (s *Store) BookingReport(ctx context.Context, days int) (report domain.BookingReport, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
			WITH made AS MATERIALIZED (
				SELECT b.show_id,
				       (b.created_at AT TIME ZONE 'UTC')::date AS day,
				       count(*) AS total,
				       count(*) FILTER (WHERE b.status = 'CONFIRMED') AS confirmed,
				       count(*) FILTER (WHERE b.status = 'PENDING' AND b.expires_at > now()) AS pending,
				       count(p.amount) AS paid,
				       sum(p.amount) AS revenue
				FROM bookings b
				LEFT JOIN payments p
				       ON p.booking_id = b.booking_id
				      AND p.status = 'succeeded'
				      AND NOT (b.status = 'PENDING' AND b.expires_at <= now())
				WHERE b.created_at >= (date_trunc('day', now() AT TIME ZONE 'UTC')
				                       - make_interval(days => $1::int - 1)) AT TIME ZONE 'UTC'
				GROUP BY b.show_id, day
			), by_event AS (
				SELECT s.event_id,
				       sum(made.total) AS total,
				       sum(made.paid) AS paid,
				       COALESCE(sum(made.revenue), 0) AS revenue
				FROM made
				JOIN shows s USING (show_id)
				GROUP BY s.event_id
				ORDER BY total DESC, revenue DESC, s.event_id
				LIMIT 10
			), by_show AS (
				SELECT s.show_id, s.event_id, s.venue_id,
				       sum(made.total) AS total,
				       sum(made.total - made.confirmed - made.pending) AS cancelled
				FROM made
				JOIN shows s USING (show_id)
				WHERE s.deleted_at IS NULL
				GROUP BY s.show_id
				ORDER BY sum(made.total - made.confirmed - made.pending) / sum(made.total) DESC,
				         total DESC, s.show_id
				LIMIT 100
			), by_day AS (
				SELECT (now() AT TIME ZONE 'UTC')::date - ago AS day,
				       COALESCE(sum(made.total), 0) AS total,
				       COALESCE(sum(made.confirmed), 0) AS confirmed,
				       COALESCE(sum(made.pending), 0) AS pending,
				       COALESCE(sum(made.paid), 0) AS paid,
				       COALESCE(sum(made.revenue), 0) AS revenue
				FROM generate_series(0, $1::int - 1) AS ago
				LEFT JOIN made ON made.day = (now() AT TIME ZONE 'UTC')::date - ago
				GROUP BY ago
			)
			SELECT 1 AS section,
			       row_number() OVER (ORDER BY total DESC, revenue DESC, event_id) AS place,
			       event_id AS id, title, '' AS venue_name, NULL::date AS day,
			       total::bigint, 0::bigint AS confirmed, 0::bigint AS cancelled, 0::bigint AS pending,
			       0::bigint AS rate,
			       revenue, COALESCE(round(revenue / NULLIF(paid, 0), 2), 0) AS average,
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
			       revenue, COALESCE(round(revenue / NULLIF(paid, 0), 2), 0),
			       now()
			FROM by_day
			ORDER BY section, place`, days)
		if err != nil {
			return err
		}
		report, err = collectReport(rows)
		return err
	})
	return report, err
}

// collectReport sorts the rows of the statement into the report.
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
