package app

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/config"
	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/metrics"
	"evently/internal/middleware"
	"evently/internal/ratelimit"
	"evently/internal/rediskit"
	"evently/internal/repository"
	"evently/internal/seatlock"
	"evently/internal/server"
	"evently/internal/service"
	"evently/internal/tracing"
	"evently/internal/waitingroom"
)

// recordTimeout bounds work that must be recorded although its client has gone: what the database
// may take for two operations, since what cannot be recorded in the usual way is in another one.
func recordTimeout(c config.Database) time.Duration { return 2 * (c.AcquireTimeout + c.QueryTimeout) }

// idempotencyAge is how long an answer can be had again: the contract's 24 hours.
const idempotencyAge = 24 * time.Hour

// idempotencyClaim is how long a request that crashed keeps its key from being tried again: twice
// as long as the server lets any request run.
func idempotencyClaim(c config.HTTP) time.Duration { return 2 * (c.ReadTimeout + c.WriteTimeout) }

// Services are the use cases, put together.
type Services struct {
	Store       *repository.Store
	Tokens      *service.Tokens
	Auth        *service.Auth
	Bookings    *service.Bookings
	Idempotency *service.Idempotency
	MyBookings  *service.MyBookings
	Discover    *service.Discover
	Catalog     *service.Catalog
	Analytics   *service.Analytics
	Demo        *service.Demo

	answers *answers
	Rooms   *waitingroom.Room
}

// NewServices puts the use cases together over stores that the caller keeps and closes. Without a
// Redis client and metrics, for commands that book nothing, there are no Bookings.
func NewServices(cfg *config.Config, pool *pgxpool.Pool, client *rediskit.Client, m *metrics.Metrics, t *tracing.Tracing, log *slog.Logger) (*Services, error) {
	store := repository.New(pool, repository.Options{
		AcquireTimeout: cfg.Database.AcquireTimeout,
		MaxWaiting:     cfg.Database.MaxWaiting,
		QueryTimeout:   cfg.Database.QueryTimeout,
	})
	secrets := make([]string, len(cfg.Auth.JWTSecrets))
	for i, secret := range cfg.Auth.JWTSecrets {
		secrets[i] = secret.Reveal()
	}
	tokens, err := service.NewTokens(service.TokensConfig{Secrets: secrets, TTL: cfg.Auth.TokenTTL, Now: cfg.Now})
	if err != nil {
		return nil, err
	}
	passwords, err := service.NewPasswords(service.PasswordsConfig{})
	if err != nil {
		return nil, err
	}
	answers := newAnswers(cfg.Cache, store)
	s := &Services{
		answers:     answers,
		Store:       store,
		Tokens:      tokens,
		Auth:        service.NewAuth(service.AuthDeps{Users: store, Tokens: tokens, Passwords: passwords}),
		Idempotency: service.NewIdempotency(store, idempotencyClaim(cfg.HTTP), idempotencyAge),
		MyBookings:  service.NewMyBookings(store),
		Discover:    service.NewDiscover(store),
		Catalog:     service.NewCatalog(freshCatalog{store, answers}),
		Analytics:   service.NewAnalytics(store),
		Demo:        service.NewDemo(store, passwords.Hash),
	}
	if client != nil {
		s.Rooms = newRooms(cfg, store, client, m, t, log)
		s.Bookings = newBookings(cfg, store, s.Rooms, client, m, log)
	}
	return s, nil
}

func newRooms(cfg *config.Config, store *repository.Store, client *rediskit.Client, m *metrics.Metrics, t *tracing.Tracing, log *slog.Logger) *waitingroom.Room {
	o := cfg.WaitingRoom
	return waitingroom.New(client, store, waitingroom.Options{
		Defaults:      domain.RoomSettings{Mode: domain.RoomMode(o.Mode), MaxUsers: o.MaxUsers, BatchSize: o.BatchSize},
		AdmitInterval: o.AdmitInterval,
		Grace:         o.Grace,
		Abandon:       o.Abandon,
		SessionTTL:    o.SessionTTL,
		Metrics:       m,
		Tracer:        t.Provider(),
	}, log)
}

func newBookings(cfg *config.Config, store *repository.Store, rooms *waitingroom.Room, client *rediskit.Client, m *metrics.Metrics, log *slog.Logger) *service.Bookings {
	return service.NewBookings(service.BookingDeps{
		Store:      store,
		Locks:      seatlock.New(client),
		Admissions: rooms,
		Payments:   service.NewSimulatedPayments(cfg.Payment.Delay, cfg.Payment.SuccessRate),
		Rules: service.BookingRules{
			HoldFor:            cfg.Booking.SeatLockTimeout.Duration(),
			MaxSeatsPerBooking: cfg.Booking.MaxSeats,
			MaxSeatsPerUser:    cfg.Booking.MaxSeatsPerUser,
			CleanupBatch:       cfg.Booking.CleanupBatch,
			RecordTimeout:      recordTimeout(cfg.Database),
		},
		Recorder: m,
		Log:      log,
		Now:      cfg.Now,
	})
}

// newRateLimits gives the limits of the configuration.
func newRateLimits(cfg *config.Config, client *rediskit.Client, log *slog.Logger) *middleware.RateLimits {
	limiter := ratelimit.New(client, ratelimit.Options{})
	perMinute := func(n int) ratelimit.Limit { return ratelimit.Limit{Requests: n, Per: time.Minute} }
	return middleware.NewRateLimits(limiter, middleware.RateRules{
		All:      perMinute(cfg.Limits.Requests),
		Bookings: perMinute(cfg.Limits.Bookings),
		Logins:   perMinute(cfg.Limits.Logins),
	}, log)
}

// routes gives the route table over the services.
func (a *App) routes(version string) (http.Handler, error) {
	s := a.services
	return server.Routes(server.Handlers{
		Auth:       handler.NewAuth(s.Auth),
		Shows:      handler.NewShows(s.Discover, s.answers.seatMaps, s.answers.shows),
		Bookings:   handler.NewBookings(freshBookings{s.Bookings, s.answers}),
		MyBookings: handler.NewMyBookings(s.MyBookings),
		Venues:     handler.NewVenues(s.Catalog),
		Events:     handler.NewEvents(s.Catalog),
		ShowAdmin:  handler.NewShowAdmin(s.Catalog),
		Analytics:  handler.NewAnalytics(s.Analytics, s.answers.reports),
		Rooms:      handler.NewWaitingRoom(s.Rooms, a.rooms.hub, a.cfg.WaitingRoom.Refresh),
		Health:     handler.NewHealth(a.health),
	}, server.Options{
		Tokens:      s.Tokens,
		Idempotency: s.Idempotency,
		RateLimits:  newRateLimits(a.cfg, a.redis, a.log),
		Gate:        s.Rooms,
		WaitingRoom: middleware.WaitingRoomOptions{
			RefreshInterval: a.cfg.WaitingRoom.Refresh,
			FailOpen:        a.cfg.WaitingRoom.OnError == "open",
			StatusPath:      "/api/v1/waiting-room/",
		},
		AllowedOrigins: a.cfg.HTTP.AllowedOrigins,
		TrustedProxies: a.cfg.HTTP.TrustedProxies,
		Recorder:       a.metrics,
		Tracer:         a.tracing.Provider(),
		Version:        version,
		Log:            a.log,
		LogSampling:    middleware.LogSampling{Ratio: a.cfg.Service.LogRatio, SlowAfter: a.cfg.Service.LogSlowAfter},
	})
}
