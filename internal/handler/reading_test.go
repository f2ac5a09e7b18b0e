package handler_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/repository"
	"evently/internal/respcache"
	"evently/internal/respond"
	"evently/internal/seatmap"
	"evently/internal/testkit"
)

// reading is the routes that read shows and bookings, on a database of its own.
type reading struct {
	t       *testing.T
	pool    *pgxpool.Pool
	routes  http.Handler
	queries *testkit.QueryCount
	maps    *seatmap.Cache
}

// setupReading mounts the routes without caching, for tests that change rows directly.
func setupReading(t *testing.T) reading {
	t.Helper()
	return setupCached(t, 0, time.Now)
}

// setupCached mounts the routes with caches of the given age and clock.
func setupCached(t *testing.T, maxAge time.Duration, now func() time.Time) reading {
	t.Helper()
	t.Parallel()
	pool, queries := testkit.CountingPool(t)
	// Long timeouts: many tests run concurrently.
	store := repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
	maps := seatmap.New(store, seatmap.Options{MaxAge: maxAge, MaxBytes: 1 << 20, Now: now})
	shows := handler.NewShows(store, maps,
		respcache.New(respcache.Options{MaxAge: maxAge, MaxBytes: 1 << 20, Now: now}))
	bookings := handler.NewMyBookings(store)
	adapt := func(h respond.Handler) http.HandlerFunc {
		return respond.Adapt(slog.New(slog.NewTextHandler(t.Output(), nil)), h)
	}
	r := chi.NewRouter()
	r.Use(documented(t, "/api/v1"))
	r.Get("/shows", adapt(shows.List))
	r.Get("/shows/search", adapt(shows.Search))
	r.Get("/shows/{show_id}", adapt(shows.Get))
	r.Get("/shows/{show_id}/seats", adapt(shows.Seats))
	r.Get("/bookings/{booking_id}", adapt(bookings.Get))
	r.Get("/user/bookings", adapt(bookings.List))
	return reading{t: t, pool: pool, routes: r, queries: queries, maps: maps}
}

// get sends a request without an identity, with headers as name, value, name, value.
func (s reading) get(target string, headers ...string) *http.Response {
	s.t.Helper()
	return s.getAs(0, target, headers...)
}

// getAs sends a request of a user; 0 is anonymous.
func (s reading) getAs(userID int64, target string, headers ...string) *http.Response {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	if userID != 0 {
		r = r.WithContext(domain.WithIdentity(r.Context(), domain.Identity{UserID: userID, Role: domain.RoleUser}))
	}
	w := httptest.NewRecorder()
	s.routes.ServeHTTP(w, r)
	return w.Result()
}

// read decodes the body of a response, which must have the given status.
func read[T any](t *testing.T, response *http.Response, status int) T {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		t.Fatalf("status = %d, want %d: %s", response.StatusCode, status, body)
	}
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

type showBody struct {
	ShowID         int64  `json:"show_id"`
	StartTime      string `json:"start_time"`
	AvailableSeats int    `json:"available_seats"`
	TotalSeats     int    `json:"total_seats"`
}

type showsBody struct {
	Shows      []showBody `json:"shows"`
	NextCursor *string    `json:"next_cursor"`
}

func (b showsBody) ids() []int64 {
	ids := []int64{}
	for _, show := range b.Shows {
		ids = append(ids, show.ShowID)
	}
	return ids
}

type errorBody struct {
	Message string   `json:"message"`
	Code    string   `json:"code"`
	Details []string `json:"details"`
}

// book inserts a booking of the given seats at 450 each and updates their show_seats. A PENDING one is
// held for an hour.
func book(t *testing.T, pool *pgxpool.Pool, userID, showID int64, status domain.BookingStatus, seatIDs ...int64) int64 {
	t.Helper()
	id := testkit.Value[int64](t, pool, `
		INSERT INTO bookings (user_id, show_id, status, cancel_reason, seat_count, amount, lock_token,
		                      expires_at, confirmed_at, cancelled_at)
		SELECT $1, $2, $3::text::booking_status, CASE $3 WHEN 'CANCELLED' THEN 'user' END, $4::int, 450 * $4::int, 'token',
		       now() + interval '1 hour',
		       CASE $3 WHEN 'CONFIRMED' THEN now() END, CASE $3 WHEN 'CANCELLED' THEN now() END
		RETURNING booking_id`, userID, showID, string(status), len(seatIDs))
	testkit.Exec(t, pool, `
		INSERT INTO booking_seats (booking_id, seat_id, price)
		SELECT $1, unnest($2::bigint[]), 450`, id, seatIDs)
	if status != domain.BookingCancelled {
		testkit.Exec(t, pool, `
			UPDATE show_seats
			SET status = CASE $4 WHEN 'CONFIRMED' THEN 'BOOKED' ELSE 'LOCKED' END::seat_status,
			    booking_id = $1, locked_at = now()
			WHERE show_id = $2 AND seat_id = ANY ($3::bigint[])`, id, showID, seatIDs, string(status))
	}
	return id
}
