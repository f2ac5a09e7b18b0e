package domain

import "time"

// BookingReport has the figures of the bookings made in a number of days.
type BookingReport struct {
	MostBookedEvents  []EventBookings     // most bookings first
	CancellationRates []ShowCancellations // highest rate first
	Daily             []DayBookings       // newest first, no day left out
	GeneratedAt       time.Time
}

// EventBookings is one event in a BookingReport. Only confirmed bookings count.
type EventBookings struct {
	EventID             int64
	Title               string
	TotalBookings       int
	Revenue             Money
	AverageBookingValue Money // revenue per booking
}

// ShowCancellations is one show in a BookingReport.
type ShowCancellations struct {
	ShowID            int64
	EventTitle        string
	VenueName         string
	TotalBookings     int
	CancelledBookings int
	CancellationRate  int // hundredths of a percent
}

// DayBookings is one UTC day in a BookingReport. All bookings count, on the day they were made.
type DayBookings struct {
	Date                time.Time // midnight, UTC
	TotalBookings       int
	ConfirmedBookings   int
	CancelledBookings   int
	PendingBookings     int
	Revenue             Money
	AverageBookingValue Money // revenue per paid booking, 0 without any
}
