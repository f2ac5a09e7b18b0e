// Package config reads the settings of Evently from the environment into one documented and validated struct.
package config

import (
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// The environments of APP_ENV.
const (
	Development = "development"
	Production  = "production"
)

// Config has the settings of Evently. .env.example and docs/configuration.md are generated from its tags:
// `min` and `max` are inclusive, `example` is the value in .env.example if there is no default.
type Config struct {
	Service     Service     `doc:"Service"`
	HTTP        HTTP        `doc:"HTTP"`
	Database    Database    `doc:"PostgreSQL"`
	Redis       Redis       `doc:"Redis"`
	Auth        Auth        `doc:"Accounts and tokens"`
	Booking     Booking     `doc:"Booking"`
	WaitingRoom WaitingRoom `doc:"Waiting room"`
	Payment     Payment     `doc:"Simulated payments"`
	Limits      Limits      `doc:"Rate limits"`
	Metrics     Metrics     `doc:"Metrics"`
	Tracing     Tracing     `doc:"Tracing"`
	Cache       Cache       `doc:"Responses kept in memory"`
}

// Service is how the process starts, logs and stops.
type Service struct {
	Env             string        `env:"APP_ENV" envDefault:"production" oneof:"development,production" doc:"production logs JSON, refuses weak secrets and those of the examples, and warns of each setting that opens something. evently dev is development."`
	LogLevel        slog.Level    `env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error."`
	LogFormat       string        `env:"LOG_FORMAT" envDefault:"auto" oneof:"auto,text,json" doc:"auto is json in production and text elsewhere."`
	LogRatio        float64       `env:"LOG_SAMPLE_RATIO" envDefault:"1" min:"0" max:"1" doc:"Share of requests that have a log line, 0 to 1, of those that went well and quickly: a status of 400 or more, LOG_SLOW_AFTER and changes by admins always have one. 1 logs every request."`
	LogSlowAfter    time.Duration `env:"LOG_SLOW_AFTER" envDefault:"1s" min:"1ms" max:"10m" doc:"From which duration on a request has its log line whatever LOG_SAMPLE_RATIO says."`
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"20s" min:"100ms" max:"10m" doc:"How long requests and jobs may take to finish after the process was asked to stop."`
	PprofAddr       string        `env:"PPROF_ADDR" example:"127.0.0.1:6060" doc:"host:port of a second listener that serves profiles under /debug/pprof/, without authentication. Empty: no profiles."`
	DrainDelay      time.Duration `env:"DRAIN_DELAY" envDefault:"0s" min:"0s" max:"5m" doc:"How long the process is not ready, and still serves, before it closes its listener: the time a load balancer takes to notice."`
	ClockOffset     time.Duration `env:"CLOCK_OFFSET" envDefault:"0s" min:"-1h" max:"1h" doc:"How far the clock of this process is ahead of the machine's, for tests; must be 0 in production."`
}

// HTTP is the listener and who may talk to it.
type HTTP struct {
	Port              int           `env:"PORT" envDefault:"3000" min:"0" max:"65535" doc:"TCP port to listen on; 0 is a free one."`
	ListenAddr        string        `env:"LISTEN_ADDR" example:"127.0.0.1" doc:"IP address of this machine to listen on. Empty: all of them, and 127.0.0.1 for evently dev."`
	HSTSMaxAge        time.Duration `env:"HSTS_MAX_AGE" envDefault:"0s" min:"0s" max:"17520h" doc:"How long browsers reach this host by HTTPS alone once they have (Strict-Transport-Security). 0 does not say so. 8760h is a year: set it where a proxy serves HTTPS for good."`
	ReadHeaderTimeout time.Duration `env:"HTTP_READ_HEADER_TIMEOUT" envDefault:"5s" min:"100ms" max:"10m" doc:"Time a client has to send its request headers."`
	ReadTimeout       time.Duration `env:"HTTP_READ_TIMEOUT" envDefault:"15s" min:"100ms" max:"10m" doc:"Time a client has to send a whole request."`
	WriteTimeout      time.Duration `env:"HTTP_WRITE_TIMEOUT" envDefault:"30s" min:"100ms" max:"10m" doc:"Time from the end of the request headers to the end of the response, and, on Linux, how long a client of any response or stream may accept nothing of what was sent."`
	IdleTimeout       time.Duration `env:"HTTP_IDLE_TIMEOUT" envDefault:"90s" min:"100ms" max:"1h" doc:"How long a connection without a request stays open. Keep it above that of the proxy in front."`
	MaxHeaderBytes    int           `env:"HTTP_MAX_HEADER_BYTES" envDefault:"65536" min:"4096" max:"1048576" doc:"Largest request line and headers, in bytes."`
	MaxConnections    int           `env:"MAX_CONNECTIONS" envDefault:"40000" min:"0" max:"1000000" doc:"Most connections at once; further ones are closed at once. Each needs an open file. 0 is no limit."`
	MaxBodyBytes      int64         `env:"MAX_BODY_BYTES_IN_FLIGHT" envDefault:"67108864" min:"0" max:"17179869184" doc:"Memory for the bodies of all requests that are being handled, a quarter of it for each client, an IPv4 address or an IPv6 /48; a request whose body would exceed it gets 503. 0 is no limit."`
	AllowedOrigins    Origins       `env:"CORS_ALLOWED_ORIGINS" example:"https://app.example.com,https://*.example.com" doc:"Comma list of origins whose pages may call the API: scheme://host[:port] without a trailing slash, a leading *. for every subdomain, or * alone for all origins. Empty: no CORS."`
	ClientIPHeader    string        `env:"CLIENT_IP_HEADER" example:"CF-Connecting-IP" doc:"Header in which TRUSTED_PROXIES send the client's address, such as that of a content delivery network in front of the load balancer. Empty: X-Forwarded-For, read from the right past all trusted addresses."`
	TrustedProxies    Proxies       `env:"TRUSTED_PROXIES" example:"10.0.0.0/8,192.0.2.7" doc:"Comma list of addresses or CIDR ranges whose X-Forwarded-For is trusted. Empty: none. Without the load balancer in it, all clients share one rate limit."`
}

// LocalHost returns the address by which this machine reaches the listener. The container may have no resolver.
func (h HTTP) LocalHost() string {
	switch h.ListenAddr {
	case "", "localhost", "0.0.0.0":
		return "127.0.0.1"
	case "::":
		return "::1"
	}
	return h.ListenAddr
}

// Database is PostgreSQL.
type Database struct {
	URL            URL           `env:"DATABASE_URL" example:"postgres://evently:evently@localhost:5432/evently" doc:"postgres:// URL. Behind PgBouncer in transaction mode add ?default_query_exec_mode=exec, because prepared statements do not survive there."`
	MigrateURL     URL           `env:"MIGRATE_DATABASE_URL" example:"postgres://evently:evently@localhost:5432/evently" doc:"Address for migrations if DATABASE_URL is a pooler in transaction mode: the same database, without the pooler. Migrations lock by a session. Empty: DATABASE_URL."`
	MaxConns       int32         `env:"DATABASE_MAX_CONNS" envDefault:"0" min:"0" max:"1000" doc:"Largest number of connections of this instance; 0 is 16 for each CPU, from 16 to 48: most of a booking's time is a commit that waits for the disk, and commits that wait together share one write. Instances times this must stay under the server's max_connections (or PgBouncer's max_client_conn)."`
	AcquireTimeout time.Duration `env:"DATABASE_ACQUIRE_TIMEOUT" envDefault:"800ms" min:"10ms" max:"30s" doc:"How long a request waits for a free connection before it gets 503."`
	MaxWaiting     int           `env:"DATABASE_MAX_WAITING" envDefault:"1000" min:"1" max:"100000" doc:"How many requests may wait for a connection; one more gets 503 at once."`
	QueryTimeout   time.Duration `env:"DATABASE_QUERY_TIMEOUT" envDefault:"5s" min:"10ms" max:"5m" doc:"Longest time of one operation on the database, and, from a second up, how long the server lets an instance that stands still keep what a transaction has locked."`
	ConnectTimeout time.Duration `env:"DATABASE_CONNECT_TIMEOUT" envDefault:"2s" min:"10ms" max:"1m" doc:"Longest time to open a connection."`
	MigrateOnStart bool          `env:"MIGRATE_ON_START" envDefault:"true" doc:"Bring the schema up to date at start. With false, a schema that does not fit stops the start."`
	NewerSchema    bool          `env:"ALLOW_NEWER_SCHEMA" envDefault:"false" doc:"Start on a schema that a newer release has made, which is refused otherwise: for instances that may have to start again while the next release is rolled out, and for going back a release."`
}

func (d Database) Pool() int32 {
	if d.MaxConns > 0 {
		return d.MaxConns
	}
	return int32(min(48, max(16, 16*runtime.NumCPU())))
}

func (d Database) ForMigrations() string {
	if d.MigrateURL != "" {
		return d.MigrateURL.Reveal()
	}
	return d.URL.Reveal()
}

// Redis is the store of data that may be lost.
type Redis struct {
	URL     URL           `env:"REDIS_URL" example:"redis://localhost:6379/0" doc:"redis:// or rediss:// (TLS) URL; a comma list of them is a cluster."`
	Timeout time.Duration `env:"REDIS_TIMEOUT" envDefault:"250ms" min:"10ms" max:"10s" doc:"Longest time to connect, to write a command and to read its reply, each."`
}

// MaxTokenTTL is the most that JWT_TTL can be: older tokens have expired whatever it was when they were issued.
const MaxTokenTTL = 720 * time.Hour

// Auth is who may sign in and for how long.
type Auth struct {
	JWTSecrets        Secrets       `env:"JWT_SECRET" example:"change-me-to-the-output-of-openssl-rand-base64-48" doc:"Key of the access tokens: in production at least 32 bytes, hard to guess and none of an example, such as the output of openssl rand -base64 48. A comma list rotates keys: the first signs, all verify. Development generates one at each start if it is empty."`
	TokenTTL          time.Duration `env:"JWT_TTL" envDefault:"24h" min:"1m" max:"720h" doc:"How long an access token is valid."`
	StaffTokenTTL     time.Duration `env:"JWT_TTL_STAFF" envDefault:"12h" min:"1m" max:"720h" doc:"How long an access token of staff and admins is valid, if that is shorter than JWT_TTL."`
	PasswordQueueWait time.Duration `env:"PASSWORD_QUEUE_WAIT" envDefault:"10s" min:"100ms" max:"1m" doc:"How long a login or a registration waits for its turn to hash a password before it gets 503; keep it below HTTP_WRITE_TIMEOUT. Half of the CPUs hash, each about 20 passwords a second. Client networks, an IPv4 address or an IPv6 /48, take turns."`
	ChallengeURL      string        `env:"CHALLENGE_URL" example:"https://challenges.cloudflare.com/turnstile/v0/siteverify" doc:"Where the challenge that a registration brings is checked, by the siteverify protocol of Turnstile and hCaptcha; together with CHALLENGE_SECRET. Empty: registrations bring none."`
	ChallengeSecret   Secret        `env:"CHALLENGE_SECRET" example:"" doc:"Secret of the site at the provider of the challenge."`
	AdminEmail        string        `env:"ADMIN_EMAIL" example:"admin@example.com" doc:"Administrator who is created at start, or whose password is set; together with ADMIN_PASSWORD."`
	AdminPassword     Secret        `env:"ADMIN_PASSWORD" example:"" doc:"Their password, 12 to 72 bytes; in production hard to guess, none of the commonest and none of an example. That of an admin who exists already may have 8, with a warning."`

	Generated bool // JWTSecrets is a random secret, and its tokens end with the process
}

// Booking is holds and limits.
type Booking struct {
	SeatLockTimeout Seconds       `env:"SEAT_LOCK_TIMEOUT" envDefault:"600" min:"1s" max:"24h" doc:"How long a hold lasts, in seconds."`
	CleanupSchedule string        `env:"CLEANUP_SCHEDULE" envDefault:"*/2 * * * *" doc:"When expired holds are cleaned up: five cron fields, or @every 30s. Their seats are free without it."`
	CleanupBatch    int           `env:"CLEANUP_BATCH_SIZE" envDefault:"150" min:"1" max:"10000" doc:"Most bookings of one cleanup transaction."`
	MaxSeats        int           `env:"MAX_SEATS_PER_BOOKING" envDefault:"10" min:"1" max:"100" doc:"Most seats of one booking."`
	MaxSeatsPerUser int           `env:"MAX_SEATS_PER_USER_PER_SHOW" envDefault:"10" min:"0" max:"100000" doc:"Most seats that one user may hold or have booked in one show; 0 is no limit."`
	MaxHoldsPerUser int           `env:"MAX_HOLDS_PER_USER" envDefault:"10" min:"0" max:"1000" doc:"Most holds that one user may have and not have paid for, over all shows; 0 is no limit."`
	HoldCooldown    time.Duration `env:"HOLD_COOLDOWN" envDefault:"0s" min:"0s" max:"24h" doc:"How long a user cannot have a seat again that they let go, or let run out, unpaid: against holding seats for ever."`
}

// CleanupInterval returns the longest time between two runs of CLEANUP_SCHEDULE on one day.
func (b Booking) CleanupInterval() time.Duration {
	schedule, err := cron.ParseStandard(b.CleanupSchedule)
	if err != nil { // refused by Load
		return 0
	}
	last := schedule.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	var longest time.Duration
	for end := last.Add(24 * time.Hour); !last.IsZero() && last.Before(end); {
		next := schedule.Next(last)
		longest, last = max(longest, next.Sub(last)), next
	}
	return longest
}

// WaitingRoom has the defaults of waiting rooms. An admin can set mode, cap and batch for one show.
type WaitingRoom struct {
	Mode             string        `env:"WAITING_ROOM_MODE" envDefault:"auto" oneof:"auto,queue_all,passthrough,closed" doc:"auto lets users pass until the cap is reached; queue_all makes all users queue; passthrough admits all; closed admits none."`
	MaxUsers         int64         `env:"MAX_CONCURRENT_USERS" envDefault:"500" min:"1" max:"1000000" doc:"Most users admitted to the booking of one show at a time, over all instances."`
	BatchSize        int64         `env:"WAITING_ROOM_BATCH_SIZE" envDefault:"50" min:"1" max:"10000" doc:"Most users admitted from the queue at once."`
	AdmitInterval    time.Duration `env:"WAITING_ROOM_ADMIT_INTERVAL" envDefault:"2s" min:"100ms" max:"1m" doc:"Time between two batches."`
	Grace            time.Duration `env:"WAITING_ROOM_GRACE" envDefault:"30s" min:"1s" max:"10m" doc:"How long a waiting user counts as present after the last request."`
	Abandon          time.Duration `env:"WAITING_ROOM_ABANDON" envDefault:"5m" min:"1s" max:"1h" doc:"How long a place is kept after the last request; at least WAITING_ROOM_GRACE."`
	SessionTTL       time.Duration `env:"WAITING_ROOM_SESSION_TTL" envDefault:"5m" min:"1s" max:"24h" doc:"How long an admission lasts."`
	Refresh          time.Duration `env:"WAITING_ROOM_REFRESH_INTERVAL" envDefault:"3s" min:"1s" max:"1m" doc:"Polling interval of waiting users, in whole seconds."`
	PlacesPerNetwork int           `env:"WAITING_ROOM_PLACES_PER_NETWORK" envDefault:"0" min:"0" max:"1000000" doc:"Most users of one client network in the waiting room of a show, waiting or admitted: an IPv4 address, an IPv6 /64, and four and sixteen times as many of a /56 and a /48. 0 is no limit."`
	OnError          string        `env:"WAITING_ROOM_ON_ERROR" envDefault:"open" oneof:"open,closed" doc:"While Redis is unavailable: open admits all users, closed none."`
}

// Payment is the simulated provider.
type Payment struct {
	SuccessRate float64       `env:"PAYMENT_SUCCESS_RATE" envDefault:"0.9" min:"0" max:"1" doc:"Share of payments that succeed, 0 to 1, where the request does not say."`
	Timeout     time.Duration `env:"PAYMENT_TIMEOUT" envDefault:"10s" min:"100ms" max:"5m" doc:"Longest time of one request to the payment provider. A payment that was left open for twice as long, by a crash say, is looked up at the provider."`
	Outcomes    string        `env:"PAYMENT_SIMULATED_OUTCOMES" envDefault:"auto" oneof:"auto,true,false" doc:"Whether a request may choose how its payment ends (outcome). auto: not in production."`
	Delay       time.Duration `env:"PAYMENT_DELAY" envDefault:"1s" min:"0s" max:"1m" doc:"How long the provider takes; below HTTP_WRITE_TIMEOUT."`
}

// OutcomesAllowed reports whether a request may choose how its simulated payment ends.
func (c *Config) OutcomesAllowed() bool {
	return c.Payment.Outcomes == "true" || c.Payment.Outcomes == "auto" && !c.IsProduction()
}

// Cache bounds the age and the memory of responses kept in memory.
type Cache struct {
	MaxAge          time.Duration `env:"CACHE_MAX_AGE" envDefault:"200ms" min:"0s" max:"10s" doc:"How old lists of shows, searches and show details may be, and how long a seat map may miss changes by other instances; 0 disables caching."`
	AnalyticsMaxAge time.Duration `env:"ANALYTICS_MAX_AGE" envDefault:"2s" min:"0s" max:"1h" doc:"How old a report for admins may be; 0 disables caching."`
	SeatMapBytes    int           `env:"CACHE_SEAT_MAP_BYTES" envDefault:"33554432" min:"1048576" max:"17179869184" doc:"Memory for seat maps; one of 20,000 seats takes about 5 MB. When it is full, maps are dropped at random."`
	ListBytes       int           `env:"CACHE_LIST_BYTES" envDefault:"4194304" min:"65536" max:"17179869184" doc:"Memory for lists of shows and for reports, each."`
}

// Limits are how many requests one user or client may make. A client is an IPv4 address, or an IPv6 network
// of 64 bits.
type Limits struct {
	Requests int `env:"RATE_LIMIT_PER_MINUTE" envDefault:"300" min:"0" max:"1000000" doc:"Requests a minute, but for /health and what follows it: of each user where a token is needed, and else, also with a bad token, of each client address. As many may come at once; then they come back evenly. 0 is no limit. Behind a proxy that is not in TRUSTED_PROXIES all clients share its address, and this number."`
	Bookings int `env:"BOOKING_RATE_LIMIT_PER_MINUTE" envDefault:"30" min:"0" max:"1000000" doc:"Locks, payments, confirmations and cancellations a minute of each user, taken together; they count as requests, too. 0 is no limit of their own."`
	Logins   int `env:"AUTH_RATE_LIMIT_PER_MINUTE" envDefault:"20" min:"0" max:"1000000" doc:"Registrations, logins and other requests with a password a minute of each client address. 0 is no limit of their own. Beside it an account has 100 wrong passwords an hour, and a network from which it has signed in 100 of its own."`
	Network  int `env:"NETWORK_RATE_LIMIT_PER_MINUTE" envDefault:"-1" min:"-1" max:"20000000" doc:"Requests a minute of each client network, of all users in it: an IPv4 address, an IPv6 /64, and four and sixteen times as many of a /56 and a /48. -1 is 20 times RATE_LIMIT_PER_MINUTE, 0 is no limit; off too when RATE_LIMIT_PER_MINUTE is 0."`
	Searches int `env:"SEARCH_RATE_LIMIT_PER_MINUTE" envDefault:"60" min:"0" max:"1000000" doc:"Searches of shows a minute of each client address. 0 is no limit of their own; off too when RATE_LIMIT_PER_MINUTE is 0."`

	StreamsPerUser    int `env:"STREAMS_PER_USER" envDefault:"10" min:"0" max:"1000000" doc:"Event streams that one user may have open at once on one instance, of all shows. 0 is no limit."`
	StreamsPerAddress int `env:"STREAMS_PER_ADDRESS" envDefault:"1000" min:"0" max:"1000000" doc:"Event streams that one client address may have open at once on one instance. 0 is no limit; nor have private addresses one while TRUSTED_PROXIES is empty: they may be a proxy."`
}

// networkTimes is how many times the limit of a user the network of a client has by default.
const networkTimes = 20

// OfNetwork returns the limit of a client's network, 0 for none.
func (l Limits) OfNetwork() int {
	switch {
	case l.Requests == 0:
		return 0
	case l.Network < 0:
		return networkTimes * l.Requests
	}
	return l.Network
}

// OfSearches returns the limit of searches, 0 for none.
func (l Limits) OfSearches() int {
	if l.Requests == 0 {
		return 0
	}
	return l.Searches
}

// Metrics is where metrics are served.
type Metrics struct {
	Addr string `env:"METRICS_ADDR" example:"127.0.0.1:9090" doc:"host:port of a second listener that serves /metrics for Prometheus, without authentication; :9090 is all addresses of the machine. Empty: no metrics."`
}

// Tracing is where spans go. The names are those of OpenTelemetry.
type Tracing struct {
	Endpoint    string  `env:"OTEL_EXPORTER_OTLP_ENDPOINT" example:"http://localhost:4318" doc:"Base URL of an OpenTelemetry collector that accepts OTLP over HTTP. Empty: no tracing."`
	Headers     Secret  `env:"OTEL_EXPORTER_OTLP_HEADERS" example:"" doc:"Comma list of name=value headers for the collector, such as an API key."`
	ServiceName string  `env:"OTEL_SERVICE_NAME" envDefault:"evently" doc:"Name of the service in traces."`
	Ratio       float64 `env:"OTEL_TRACES_SAMPLER_ARG" envDefault:"1" min:"0" max:"1" doc:"Share of traces that are sampled, 0 to 1; for a request with a trace the caller decides."`
}

func (t Tracing) TracesURL() string { return strings.TrimRight(t.Endpoint, "/") + "/v1/traces" }

func (t Tracing) HeaderMap() map[string]string {
	headers := map[string]string{}
	for pair := range strings.SplitSeq(t.Headers.Reveal(), ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return headers
}

func (c *Config) IsProduction() bool { return c.Service.Env == Production }

// Now returns the time by the clock of this process. Instances agree by the clock of the database.
func (c *Config) Now() time.Time { return time.Now().Add(c.Service.ClockOffset) }

func (c *Config) LogJSON() bool {
	return c.Service.LogFormat == "json" || c.Service.LogFormat == "auto" && c.IsProduction()
}
