package app

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/config"
	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/jobs"
	"evently/internal/middleware"
	"evently/internal/payment"
	"evently/internal/ratelimit"
	"evently/internal/rediskit"
	"evently/internal/repository"
	"evently/internal/seatlock"
	"evently/internal/server"
	"evently/internal/service"
	"evently/internal/telemetry"
	"evently/internal/waitingroom"
)

// recordTimeout bounds work that must be recorded although its client has gone: what the database
// may take for two operations, since what cannot be recorded in the usual way is in another one.
func recordTimeout(c config.Database) time.Duration { return 2 * (c.AcquireTimeout + c.QueryTimeout) }

// keepResponses is how long a response with an idempotency key can be replayed.
const keepResponses = 24 * time.Hour

// firstLockTTL is the time to live of seat locks until their hold is committed.
const firstLockTTL = 10 * time.Second

// Services are the use cases, put together.
type Services struct {
	Store      *repository.Store
	Tokens     *service.Tokens
	Auth       *service.Auth
	Bookings   *service.Bookings
	Payments   *service.Payments
	MyBookings *service.MyBookings
	Discover   *service.Discover
	Catalog    *service.Catalog
	Analytics  *service.Analytics
	Demo       *service.Demo

	caches caches
	Rooms  *waitingroom.Room
}

// NewServices puts the use cases together over stores that the caller keeps and closes. Without a
// Redis client and metrics, for commands that book nothing, there are no Bookings.
func NewServices(cfg *config.Config, pool *pgxpool.Pool, client *rediskit.Client, m *telemetry.Metrics, t *telemetry.Tracing, log *slog.Logger) (*Services, error) {
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
	passwords, err := service.NewPasswords(service.PasswordsConfig{MaxWait: cfg.Auth.PasswordQueueWait})
	if err != nil {
		return nil, err
	}
	caches := newCaches(cfg.Cache, store)
	var waitingRooms *waitingroom.Room
	var rooms service.Rooms
	if client != nil {
		waitingRooms = newRooms(cfg, store, client, m, t, log)
		rooms = waitingRooms
	}
	s := &Services{
		caches:     caches,
		Store:      store,
		Tokens:     tokens,
		Auth:       service.NewAuth(service.AuthDeps{Users: store, Tokens: tokens, Passwords: passwords}),
		MyBookings: service.NewMyBookings(store),
		Discover:   service.NewDiscover(store),
		Catalog:    service.NewCatalog(store, caches.seatMaps, rooms, log),
		Analytics:  service.NewAnalytics(store),
		Demo:       service.NewDemo(store, passwords.Hash),
	}
	if client != nil {
		s.Rooms = waitingRooms
		if s.Bookings, err = newBookings(cfg, store, s.Rooms, caches.seatMaps, client, m, log); err != nil {
			return nil, err
		}
		s.Payments = service.NewPayments(s.Bookings, payment.NewSimulated(store, cfg.Payment.Delay, cfg.Payment.SuccessRate))
	}
	return s, nil
}

func newRooms(cfg *config.Config, store *repository.Store, client *rediskit.Client, m *telemetry.Metrics, t *telemetry.Tracing, log *slog.Logger) *waitingroom.Room {
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

func newBookings(cfg *config.Config, store *repository.Store, rooms *waitingroom.Room, feed service.SeatFeed, client *rediskit.Client, m *telemetry.Metrics, log *slog.Logger) (*service.Bookings, error) {
	return service.NewBookings(service.BookingDeps{
		Store:      store,
		Locks:      seatlock.New(client),
		Admissions: rooms,
		Feed:       feed,
		Refunds:    jobs.NewClient(client),
		Rules: service.BookingRules{
			HoldFor:            cfg.Booking.SeatLockTimeout.Duration(),
			FirstLockTTL:       firstLockTTL,
			MaxSeatsPerBooking: cfg.Booking.MaxSeats,
			MaxSeatsPerUser:    cfg.Booking.MaxSeatsPerUser,
			CleanupBatch:       cfg.Booking.CleanupBatch,
			RecordTimeout:      recordTimeout(cfg.Database),
			KeepResponses:      keepResponses,
			ShowMaxAge:         cfg.Cache.MaxAge,
			ChargeTimeout:      cfg.Payment.Timeout,
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
		Shows:      handler.NewShows(s.Discover, s.caches.seatMaps, s.caches.shows),
		Bookings:   handler.NewBookings(s.Bookings, s.Payments),
		MyBookings: handler.NewMyBookings(s.MyBookings),
		Catalog:    handler.NewCatalog(s.Catalog),
		Analytics:  handler.NewAnalytics(s.Analytics, s.caches.reports),
		Rooms:      handler.NewWaitingRoom(s.Rooms, a.rooms.hub, a.cfg.WaitingRoom.Refresh),
		Health:     handler.NewHealth(a.health),
	}, server.Options{
		Tokens:     s.Tokens,
		RateLimits: newRateLimits(a.cfg, a.redis, a.log),
		Gate:       s.Rooms,
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
