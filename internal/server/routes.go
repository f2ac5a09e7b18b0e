package server

import (
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/otel/trace"

	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/middleware"
	"evently/internal/respond"
)

// Handlers are the handlers of all routes.
type Handlers struct {
	Auth       *handler.Auth
	Accounts   *handler.Accounts
	Shows      *handler.Shows
	Bookings   *handler.Bookings
	MyBookings *handler.MyBookings
	Catalog    *handler.Catalog
	Analytics  *handler.Analytics
	Rooms      *handler.WaitingRoom
	Health     *handler.Health
}

// Options are what the routes need besides their handlers.
type Options struct {
	Tokens      middleware.TokenVerifier
	RateLimits  *middleware.RateLimits
	Streams     *middleware.Streams
	Bodies      *middleware.Bodies
	Gate        middleware.RoomGate
	Replays     middleware.Replays // of requests that the gate refuses; may be nil
	WaitingRoom middleware.WaitingRoomOptions
	Headers     middleware.HeaderOptions
	// KeepAuthorization lets the API documentation keep the token in the browser.
	KeepAuthorization bool
	Clients           middleware.Clients
	Recorder          middleware.RequestRecorder
	Tracer            trace.TracerProvider // nil: no tracing
	Version           string
	Log               *slog.Logger
	LogSampling       middleware.LogSampling
}

const base = "/api/v1"

// Routes returns the whole route table. It fails if the documentation page cannot be rendered.
func Routes(h Handlers, o Options) (*chi.Mux, error) {
	r := chi.NewRouter()
	r.Use(
		middleware.Identify(o.Clients),
		middleware.Trace(o.Tracer),
		middleware.Observe(o.Recorder, o.Log, o.LogSampling),
		middleware.Recover(o.Log),
		middleware.Headers(o.Headers),
		o.Bodies.Limit,
		chimiddleware.GetHead,
	)
	do := func(h respond.Handler) http.HandlerFunc { return respond.Adapt(o.Log, h) }
	r.NotFound(do(routeNotFound))
	r.MethodNotAllowed(methodNotAllowed(r, o.Log))

	// System. Health has no limit: the platform must not be refused, and a check runs at most once a second.
	r.Get("/health", do(h.Health.Report))
	r.Get("/health/live", do(h.Health.Live))
	r.Get("/health/ready", do(h.Health.Ready))
	r.Get("/health/schema", do(h.Health.Schema))
	public := r.With(o.RateLimits.Requests)
	public.Get("/", do(handler.Welcome(o.Version)))
	if err := mountDocs(public, do, o.KeepAuthorization); err != nil {
		return nil, err
	}

	// Per route and not per subtree, so that unknown paths are 404 without a token, too.
	signedIn := func(limit func(http.Handler) http.Handler, roles ...domain.Role) chi.Middlewares {
		return chi.Chain(middleware.Authenticate(o.Tokens), limit, middleware.Require(o.Log, roles...))
	}

	// Public
	r.Group(func(r chi.Router) {
		r.Use(o.RateLimits.Logins)
		r.With(o.RateLimits.Remember).Post(base+"/auth/register", do(h.Auth.Register))
		r.With(o.RateLimits.Failures).Post(base+"/auth/login", do(h.Auth.Login))
	})
	r.Group(func(r chi.Router) { // these check a password
		r.Use(signedIn(o.RateLimits.Logins)...)
		r.Use(o.RateLimits.Failures)
		r.Put(base+"/auth/password", do(h.Accounts.ChangePassword))
		r.Delete(base+"/auth/me", do(h.Accounts.Close))
	})
	r.With(o.RateLimits.Searches).Get(base+"/shows/search", do(h.Shows.Search))
	r.Group(func(r chi.Router) {
		r.Use(o.RateLimits.Requests)
		r.Get(base+"/shows", do(h.Shows.List))
		r.Get(base+"/shows/{show_id}", do(h.Shows.Get))
		r.Get(base+"/shows/{show_id}/seats", do(h.Shows.Seats))
	})

	// User
	r.Group(func(r chi.Router) {
		r.Use(signedIn(o.RateLimits.Bookings)...)
		gate := middleware.WaitingRoom(o.Gate, o.Replays, o.WaitingRoom, o.Log)
		r.With(gate).Post(base+"/bookings/lock", do(h.Bookings.Lock))
		r.Post(base+"/bookings/payments/simulate", do(h.Bookings.Pay))
		r.Post(base+"/bookings/{booking_id}/confirm", do(h.Bookings.Confirm))
		r.Post(base+"/bookings/{booking_id}/cancel", do(h.Bookings.Cancel))
	})
	r.Group(func(r chi.Router) {
		r.Use(signedIn(o.RateLimits.Requests)...)
		r.Get(base+"/bookings/{booking_id}", do(h.MyBookings.Get))
		r.Get(base+"/user/bookings", do(h.MyBookings.List))
		r.Get(base+"/auth/me", do(h.Accounts.Me))
		r.Post(base+"/auth/logout", do(h.Accounts.Logout))
		r.Post(base+"/waiting-room/{show_id}/join", do(h.Rooms.Join))
		r.Get(base+"/waiting-room/{show_id}", do(h.Rooms.Status))
		r.Delete(base+"/waiting-room/{show_id}", do(h.Rooms.Leave))
		r.With(o.Streams.Limit).Get(base+"/waiting-room/{show_id}/events", do(h.Rooms.Events))
	})

	// Admin
	r.Group(func(r chi.Router) {
		r.Use(signedIn(o.RateLimits.Requests, domain.RoleAdmin)...)
		r.Post(base+"/admin/venues", do(h.Catalog.CreateVenue))
		r.Get(base+"/admin/venues", do(h.Catalog.ListVenues))
		r.Get(base+"/admin/venues/{venue_id}", do(h.Catalog.Venue))
		r.Put(base+"/admin/venues/{venue_id}", do(h.Catalog.UpdateVenue))
		r.Delete(base+"/admin/venues/{venue_id}", do(h.Catalog.DeleteVenue))
		r.Post(base+"/admin/venues/{venue_id}/seats", do(h.Catalog.AddSeats))
		r.Put(base+"/admin/venues/{venue_id}/seats", do(h.Catalog.UpdateSeats))
		r.Delete(base+"/admin/venues/{venue_id}/seats", do(h.Catalog.DeleteSeats))
		r.Post(base+"/admin/events", do(h.Catalog.CreateEvent))
		r.Get(base+"/admin/events", do(h.Catalog.ListEvents))
		r.Get(base+"/admin/events/{event_id}", do(h.Catalog.Event))
		r.Put(base+"/admin/events/{event_id}", do(h.Catalog.UpdateEvent))
		r.Delete(base+"/admin/events/{event_id}", do(h.Catalog.DeleteEvent))
		r.Post(base+"/admin/shows", do(h.Catalog.CreateShow))
		r.Put(base+"/admin/shows/{show_id}", do(h.Catalog.UpdateShow))
		r.Delete(base+"/admin/shows/{show_id}", do(h.Catalog.DeleteShow))
		r.Get(base+"/admin/waiting-rooms/{show_id}", do(h.Rooms.View))
		r.Put(base+"/admin/waiting-rooms/{show_id}", do(h.Rooms.Configure))
		r.Get(base+"/admin/users", do(h.Accounts.List))
		r.Put(base+"/admin/users/{user_id}", do(h.Accounts.Update))
		r.Get(base+"/admin/analytics", do(h.Analytics.Get))
	})

	return r, nil
}
