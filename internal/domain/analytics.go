package domain

import "time"

// BookingReport tells how bookings went in a number of days. Revenue is what was paid and is
// not to be given back.
type BookingReport struct {
	MostBookedEvents  []EventBookings     // most bookings first
	CancellationRates []ShowCancellations // highest rate first
	Daily             []DayBookings       // newest first, no day left out
	GeneratedAt       time.Time
}

// EventBookings is one event in a BookingReport.
type EventBookings struct {
	EventID             int64
	Title               string
	TotalBookings       int
	Revenue             Money
	AverageBookingValue Money // revenue per paid booking; 0 when none is paid
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

// DayBookings is one day, in UTC, in a BookingReport. A booking counts on the day it was made.
type DayBookings struct {
	Date                time.Time // midnight, UTC
	TotalBookings       int
	ConfirmedBookings   int
	CancelledBookings   int
	PendingBookings     int
	Revenue             Money
	AverageBookingValue Money // revenue per paid booking; 0 when none is paid
}
