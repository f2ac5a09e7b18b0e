package handler

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/respcache"
)

// BenchmarkDecodeLock decodes and validates the body of a lock of four seats.
func BenchmarkDecodeLock(b *testing.B) {
	benchmarkDecode(b, `{"show_id":4711,"seat_ids":[100001,100002,100003,100004]}`, func(w http.ResponseWriter, r *http.Request) bool {
		var got lockRequest
		err := decode(w, r, maxBody, &got)
		return err == nil && len(got.SeatIDs) == 4
	})
}

// BenchmarkDecodePayment decodes and validates the body of a payment.
func BenchmarkDecodePayment(b *testing.B) {
	benchmarkDecode(b, `{"booking_id":4711,"amount":450.5,"outcome":"success"}`, func(w http.ResponseWriter, r *http.Request) bool {
		var got payRequest
		err := decode(w, r, maxBody, &got)
		return err == nil && got.BookingID == 4711
	})
}

func benchmarkDecode(b *testing.B, text string, read func(w http.ResponseWriter, r *http.Request) bool) {
	b.Helper()
	body := strings.NewReader(text)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", http.NoBody)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		r.Body = io.NopCloser(body)
		if !read(w, r) {
			b.Fatalf("%s was not read", text)
		}
	}
}

// BenchmarkEncodeShows encodes and compresses the response of GET /shows with the default limit.
func BenchmarkEncodeShows(b *testing.B) {
	start := time.Date(2030, 1, 31, 19, 30, 0, 0, time.UTC)
	shows := make([]domain.ShowDetails, 100)
	for i := range shows {
		at := start.Add(time.Duration(i) * 3 * time.Hour)
		shows[i] = domain.ShowDetails{
			Show: domain.Show{
				ID: int64(i + 1), EventID: 3, VenueID: 5, StartTime: at, EndTime: at.Add(2 * time.Hour), Price: 45050, CreatedAt: start,
			},
			Event:          domain.Event{ID: 3, Title: fmt.Sprintf("An evening of music, part %d", i)},
			Venue:          domain.Venue{ID: 5, Name: "Grand Hall", Address: "1 High Street"},
			AvailableSeats: 2_000 - i, TotalSeats: 2_000,
		}
	}
	uncached := respcache.New(respcache.Options{})
	b.ReportAllocs()
	for b.Loop() {
		body, err := uncached.Get(b.Context(), "", func(context.Context) (any, error) { return toShows(shows, true, newList("shows")), nil })
		if err != nil {
			b.Fatal(err)
		}
		if body.Len() < 10_000 {
			b.Fatalf("%d bytes", body.Len())
		}
	}
}
