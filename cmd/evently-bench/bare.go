package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/app"
	"evently/internal/config"
)

// The statements of a bare booking. Each is one round trip and one commit.
const (
	bareLock = `
		WITH show AS (
			SELECT show_id, price
			FROM shows
			WHERE show_id = $2 AND deleted_at IS NULL AND start_time > now()
			FOR SHARE
		), free AS MATERIALIZED (
			SELECT show_seats.seat_id, show.price
			FROM show_seats
			JOIN show ON show.show_id = show_seats.show_id
			WHERE show_seats.show_id = $2 AND show_seats.seat_id = ANY ($3::bigint[]) AND show_seats.status = 'AVAILABLE'
			ORDER BY show_seats.seat_id
			FOR UPDATE OF show_seats
		), booking AS (
			INSERT INTO bookings (user_id, show_id, seat_count, amount, lock_token, expires_at)
			SELECT $1, $2, count(*), sum(price), 'bare', now() + interval '10 minutes'
			FROM free
			HAVING count(*) = cardinality($3::bigint[])
			RETURNING booking_id, amount, expires_at
		), priced AS (
			INSERT INTO booking_seats (booking_id, seat_id, price)
			SELECT booking.booking_id, free.seat_id, free.price
			FROM booking CROSS JOIN free
		), held AS (
			UPDATE show_seats
			SET status = 'LOCKED', booking_id = booking.booking_id, locked_at = now()
			FROM booking CROSS JOIN free
			WHERE show_seats.show_id = $2 AND show_seats.seat_id = free.seat_id
		)
		SELECT booking_id, amount::float8, expires_at
		FROM booking`

	bareAttempt = `
		INSERT INTO payments (booking_id, attempt_key, amount, status)
		SELECT booking_id, $3, amount, 'created'
		FROM bookings
		WHERE booking_id = $1 AND user_id = $2 AND status = 'PENDING' AND expires_at > now()
		FOR UPDATE
		RETURNING amount::float8`

	bareCharge = `
		INSERT INTO simulated_charges (attempt_key, amount, state, transaction_id)
		VALUES ($1, $2::float8, 'succeeded', $3)
		RETURNING transaction_id`

	bareSettle = `
		WITH booking AS (
			SELECT booking_id
			FROM bookings
			WHERE booking_id = $1 AND status = 'PENDING' AND expires_at > now()
			FOR UPDATE
		)
		UPDATE payments
		SET status = 'succeeded', transaction_id = $3, paid_at = now()
		FROM booking
		WHERE payments.booking_id = booking.booking_id AND payments.attempt_key = $2
		RETURNING payments.status`

	bareConfirm = `
		WITH booking AS (
			SELECT booking_id, show_id
			FROM bookings
			WHERE booking_id = $1 AND user_id = $2 AND status = 'PENDING' AND expires_at > now()
			  AND EXISTS (SELECT FROM payments WHERE payments.booking_id = bookings.booking_id AND payments.status = 'succeeded')
			FOR UPDATE
		), held AS MATERIALIZED (
			SELECT show_seats.show_id, show_seats.seat_id
			FROM booking
			JOIN booking_seats ON booking_seats.booking_id = booking.booking_id
			JOIN show_seats ON show_seats.show_id = booking.show_id AND show_seats.seat_id = booking_seats.seat_id
			ORDER BY show_seats.seat_id
			FOR UPDATE OF show_seats
		), booked AS (
			UPDATE show_seats
			SET status = 'BOOKED'
			FROM held
			WHERE show_seats.show_id = held.show_id AND show_seats.seat_id = held.seat_id
		)
		UPDATE bookings
		SET status = 'CONFIRMED', confirmed_at = now()
		FROM booking
		WHERE bookings.booking_id = booking.booking_id
		RETURNING bookings.status::text`
)

// bareRequest is the body of every request to the bare server.
type bareRequest struct {
	UserID    int64   `json:"user_id"`
	BookingID int64   `json:"booking_id,omitempty"`
	ShowID    int64   `json:"show_id,omitempty"`
	SeatIDs   []int64 `json:"seat_ids,omitempty"`
}

type bareResponse struct {
	BookingID     int64      `json:"booking_id"`
	Amount        float64    `json:"amount,omitempty"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`
	TransactionID string     `json:"transaction_id,omitempty"`
	Status        string     `json:"status,omitempty"`
}

// serveBare is the yardstick of bookings: the same commits as the service's in one statement each, on a
// pool with the service's settings, without authentication, limits, idempotency keys and Redis.
func serveBare(ctx context.Context, port string) error {
	environ, err := config.Environ("")
	if err != nil {
		return err
	}
	cfg, err := config.Load(environ, config.NeedDatabase)
	if err != nil {
		return err
	}
	pool, err := app.OpenPostgres(ctx, cfg.Database, nil)
	if err != nil {
		return err
	}
	defer pool.Close()
	return listen(ctx, port, bareHandler(pool))
}

func bareHandler(pool *pgxpool.Pool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("POST /lock", bareStep(func(ctx context.Context, r bareRequest) (out bareResponse, err error) {
		err = pool.QueryRow(ctx, bareLock, r.UserID, r.ShowID, r.SeatIDs).Scan(&out.BookingID, &out.Amount, &out.ExpiresAt)
		return out, err
	}))
	mux.Handle("POST /pay", bareStep(func(ctx context.Context, r bareRequest) (bareResponse, error) {
		key, out := rand.Text(), bareResponse{BookingID: r.BookingID}
		if err := pool.QueryRow(ctx, bareAttempt, r.BookingID, r.UserID, key).Scan(&out.Amount); err != nil {
			return out, err
		}
		if err := pool.QueryRow(ctx, bareCharge, key, out.Amount, rand.Text()).Scan(&out.TransactionID); err != nil {
			return out, err
		}
		err := pool.QueryRow(ctx, bareSettle, r.BookingID, key, out.TransactionID).Scan(&out.Status)
		return out, err
	}))
	mux.Handle("POST /confirm", bareStep(func(ctx context.Context, r bareRequest) (bareResponse, error) {
		out := bareResponse{BookingID: r.BookingID}
		err := pool.QueryRow(ctx, bareConfirm, r.BookingID, r.UserID).Scan(&out.Status)
		return out, err
	}))
	return mux
}

// bareStep responds 409 when a statement finds nothing to change.
func bareStep(step func(context.Context, bareRequest) (bareResponse, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in bareRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out, err := step(r.Context(), in)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			http.Error(w, "Conflict", http.StatusConflict)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	})
}
