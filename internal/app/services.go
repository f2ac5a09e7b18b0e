package app

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/challenge"
	"evently/internal/commonpasswords"
	"evently/internal/config"
	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/jobs"
	"evently/internal/middleware"
	"evently/internal/payment"
	"evently/internal/ratelimit"
	"evently/internal/rediskit"
	"evently/internal/repository"
	"evently/internal/respcache"
	"evently/internal/seatlock"
	"evently/internal/seatmap"
	"evently/internal/server"
	"evently/internal/service"
	"evently/internal/telemetry"
	"evently/internal/waitingroom"
)

// recordTimeout bounds what must be recorded although its client has gone: at most two operations of the database.
func recordTimeout(c config.Database) time.Duration { return 2 * (c.AcquireTimeout + c.QueryTimeout) }

const (
	keepResponses = 24 * time.Hour   // for repeats with the same idempotency key
	firstLockTTL  = 10 * time.Second // of seat locks, until their hold is committed
	maxFailures   = 100              // wrong passwords for an account in an hour
)

// Services are the use cases, put together.
type Services struct {
	Store    *repository.Store
	Tokens   *service.Tokens
	Auth     *service.Auth
	Accounts *service.Accounts
	Epochs   *service.Epochs
	Bookings *service.Bookings
	Payments *service.Payments
	Catalog  *service.Catalog
	Demo     *service.Demo
	Rooms    *waitingroom.Room

	provider  *payment.Simulated
	HashEmail func(email string) string // for the log

	seatMaps *seatmap.Cache
	shows    *respcache.Cache
	reports  *respcache.Cache
}

// NewServices builds the use cases over stores that the caller closes. Without a Redis client there are no Bookings.
func NewServices(
	cfg *config.Config, pool *pgxpool.Pool, client *rediskit.Client,
	m *telemetry.Metrics, t *telemetry.Tracing, log *slog.Logger,
) (*Services, error) {
	store := repository.New(pool, repository.Options{
		AcquireTimeout: cfg.Database.AcquireTimeout,
		MaxWaiting:     cfg.Database.MaxWaiting,
		QueryTimeout:   cfg.Database.QueryTimeout,
	})
	secrets := make([]string, len(cfg.Auth.JWTSecrets))
	for i, secret := range cfg.Auth.JWTSecrets {
		secrets[i] = secret.Reveal()
	}
	epochs := service.NewEpochs(store, config.MaxTokenTTL)
	tokens, err := service.NewTokens(service.TokensConfig{
		Secrets: secrets, TTL: cfg.Auth.TokenTTL, StaffTTL: cfg.Auth.StaffTokenTTL, Epochs: epochs, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	passwords, err := service.NewPasswords(service.PasswordsConfig{MaxWait: cfg.Auth.PasswordQueueWait})
	if err != nil {
		return nil, err
	}
	var common map[string]bool
	if cfg.IsProduction() {
		if common, err = commonpasswords.Read(); err != nil {
			return nil, err
		}
	}
	hashEmail, err := service.NewEmailHash(secrets[0])
	if err != nil {
		return nil, err
	}
	auth := service.NewAuth(store, tokens, passwords, common)
	responses := func(maxAge time.Duration) *respcache.Cache {
		return respcache.New(respcache.Options{MaxAge: maxAge, MaxBytes: cfg.Cache.ListBytes, Now: time.Now})
	}
	s := &Services{
		Store:    store,
		Tokens:   tokens,
		Auth:     auth,
		Accounts: service.NewAccounts(store, auth, epochs),
		Epochs:   epochs,

		HashEmail: hashEmail,

		Demo:    service.NewDemo(store, passwords.Hash, cfg.IsProduction()),
		shows:   responses(cfg.Cache.MaxAge),
		reports: responses(cfg.Cache.AnalyticsMaxAge),
		seatMaps: seatmap.New(store, seatmap.Options{
			MaxAge:   cfg.Cache.MaxAge,
			MaxBytes: cfg.Cache.SeatMapBytes,
			Now:      time.Now,
		}),
	}
	if client == nil {
		s.Catalog = service.NewCatalog(store, s.seatMaps, nil, log)
		return s, nil
	}
	s.Rooms = newRooms(cfg, store, client, m, t, log)
	s.Catalog = service.NewCatalog(store, s.seatMaps, s.Rooms, log)
	if s.Bookings, err = s.newBookings(cfg, client, m, log); err != nil {
		return nil, err
	}
	s.provider = payment.NewSimulated(store, cfg.Payment.Delay, cfg.Payment.SuccessRate)
	s.Payments = service.NewPayments(s.Bookings, s.provider)
	return s, nil
}

func newRooms(
	cfg *config.Config, store *repository.Store, client *rediskit.Client,
	m *telemetry.Metrics, t *telemetry.Tracing, log *slog.Logger,
) *waitingroom.Room {
	o := cfg.WaitingRoom
	return waitingroom.New(client, store, waitingroom.Options{
		Defaults:      domain.RoomSettings{Mode: domain.RoomMode(o.Mode), MaxUsers: o.MaxUsers, BatchSize: o.BatchSize},
		AdmitInterval: o.AdmitInterval,
		PerNetwork:    o.PlacesPerNetwork,
		Grace:         o.Grace,
		Abandon:       o.Abandon,
		SessionTTL:    o.SessionTTL,
		Metrics:       m,
		Tracer:        t.Provider(),
	}, log)
}

func (s *Services) newBookings(
	cfg *config.Config, client *rediskit.Client, m *telemetry.Metrics, log *slog.Logger,
) (*service.Bookings, error) {
	return service.NewBookings(service.BookingDeps{
		Store:      s.Store,
		Locks:      seatlock.New(client),
		Admissions: s.Rooms,
		Feed:       s.seatMaps,
		Refunds:    jobs.NewClient(client),
		Rules: service.BookingRules{
			HoldFor:            cfg.Booking.SeatLockTimeout.Duration(),
			FirstLockTTL:       firstLockTTL,
			MaxSeatsPerBooking: cfg.Booking.MaxSeats,
			MaxSeatsPerUser:    cfg.Booking.MaxSeatsPerUser,
			MaxHoldsPerUser:    cfg.Booking.MaxHoldsPerUser,
			HoldCooldown:       cfg.Booking.HoldCooldown,
			CleanupBatch:       cfg.Booking.CleanupBatch,
			RecordTimeout:      recordTimeout(cfg.Database),
			KeepResponses:      keepResponses,
			ShowMaxAge:         cfg.Cache.MaxAge,
			ChargeTimeout:      cfg.Payment.Timeout,
			ChosenOutcomes:     cfg.OutcomesAllowed(),
		},
		Recorder: m,
		Log:      log,
		Now:      cfg.Now,
	})
}

func (a *App) authHandlers() *handler.Auth {
	c := a.cfg.Auth
	if c.ChallengeURL == "" {
		return handler.NewAuth(a.services.Auth, nil, a.services.HashEmail)
	}
	return handler.NewAuth(a.services.Auth, challenge.New(c.ChallengeURL, c.ChallengeSecret.Reveal()), a.services.HashEmail)
}

func (a *App) routes(version string) (http.Handler, error) {
	s, limits := a.services, a.cfg.Limits
	bookings := handler.NewBookings(s.Bookings, s.Payments)
	perMinute := func(n int) ratelimit.Limit { return ratelimit.Limit{Requests: n, Per: time.Minute} }
	return server.Routes(server.Handlers{
		Auth:       a.authHandlers(),
		Accounts:   handler.NewAccounts(s.Accounts),
		Shows:      handler.NewShows(s.Store, s.seatMaps, s.shows),
		Bookings:   bookings,
		MyBookings: handler.NewMyBookings(s.Store),
		Catalog:    handler.NewCatalog(s.Catalog),
		Analytics:  handler.NewAnalytics(s.Store, s.reports),
		Rooms:      handler.NewWaitingRoom(s.Rooms, a.rooms.hub, s.Tokens, a.cfg.WaitingRoom.Refresh),
		Health:     handler.NewHealth(a.health),
	}, server.Options{
		Tokens: s.Tokens,
		RateLimits: middleware.NewRateLimits(ratelimit.New(a.redis, ratelimit.Options{}), middleware.RateRules{
			All:      perMinute(limits.Requests),
			Network:  perMinute(limits.OfNetwork()),
			Bookings: perMinute(limits.Bookings),
			Searches: perMinute(limits.OfSearches()),
			Logins:   perMinute(limits.Logins),
			Failures: ratelimit.Limit{Requests: maxFailures, Per: time.Hour},
		}, a.log),
		Streams: middleware.NewStreams(middleware.StreamRules{
			PerUser:    limits.StreamsPerUser,
			PerAddress: limits.StreamsPerAddress,
			Proxied:    len(a.cfg.HTTP.TrustedProxies) > 0,
		}, a.log),
		Bodies:  middleware.NewBodies(a.cfg.HTTP.MaxBodyBytes),
		Gate:    s.Rooms,
		Replays: bookings,
		WaitingRoom: middleware.WaitingRoomOptions{
			RefreshInterval: a.cfg.WaitingRoom.Refresh,
			FailOpen:        a.cfg.WaitingRoom.OnError == "open",
			StatusPath:      "/api/v1/waiting-room/",
		},
		Headers:           middleware.HeaderOptions{Origins: a.cfg.HTTP.AllowedOrigins, HSTS: a.cfg.HTTP.HSTSMaxAge},
		KeepAuthorization: !a.cfg.IsProduction(),
		Clients: middleware.Clients{
			Proxies: a.cfg.HTTP.TrustedProxies, Header: a.cfg.HTTP.ClientIPHeader, Log: a.log,
		},
		Recorder:    a.metrics,
		Tracer:      a.tracing.Provider(),
		Version:     version,
		Log:         a.log,
		LogSampling: middleware.LogSampling{Ratio: a.cfg.Service.LogRatio, SlowAfter: a.cfg.Service.LogSlowAfter},
	})
}
