// Package config reads the settings of Evently from the environment into one documented and
// validated struct, which is then passed down: nothing else reads the environment.
package config

import (
	"log/slog"
	"runtime"
	"strings"
	"time"
)

// The environments of APP_ENV.
const (
	Development = "development"
	Production  = "production"
)

// Config is every setting of Evently. The tags of its fields are the source of .env.example and
// of docs/configuration.md: `doc` is the meaning, `min` and `max` are bounds, both inclusive,
// `oneof` lists the values that exist and `example` is what the examples show.
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
	Env             string        `env:"APP_ENV" envDefault:"development" oneof:"development,production" doc:"production logs JSON and refuses weak secrets."`
	LogLevel        slog.Level    `env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error."`
	LogFormat       string        `env:"LOG_FORMAT" envDefault:"auto" oneof:"auto,text,json" doc:"auto is json in production and text elsewhere."`
	LogRatio        float64       `env:"LOG_SAMPLE_RATIO" envDefault:"1" min:"0" max:"1" doc:"Share of requests that have a log line, 0 to 1, of those that went well and quickly: a status of 400 or more and LOG_SLOW_AFTER always have one. 1 logs every request."`
	LogSlowAfter    time.Duration `env:"LOG_SLOW_AFTER" envDefault:"1s" min:"1ms" max:"10m" doc:"From which duration on a request has its log line whatever LOG_SAMPLE_RATIO says."`
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"20s" min:"100ms" max:"10m" doc:"How long requests and jobs that run may take to end once the process was asked to stop."`
	PprofAddr       string        `env:"PPROF_ADDR" example:"127.0.0.1:6060" doc:"host:port of a second listener that serves profiles under /debug/pprof/ to everybody who can reach it. Empty: no profiles."`
	DrainDelay      time.Duration `env:"DRAIN_DELAY" envDefault:"0s" min:"0s" max:"5m" doc:"How long the process answers not ready, and still serves, before it closes its listener: the time that a load balancer takes to notice."`
	ClockOffset     time.Duration `env:"CLOCK_OFFSET" envDefault:"0s" min:"-1h" max:"1h" doc:"How far this process takes its clock to be ahead of the machine's, to test what that does; not in production."`
}

// HTTP is the listener and who may talk to it.
type HTTP struct {
	Port              int           `env:"PORT" envDefault:"3000" min:"0" max:"65535" doc:"TCP port to listen on; 0 takes a free one."`
	ReadHeaderTimeout time.Duration `env:"HTTP_READ_HEADER_TIMEOUT" envDefault:"5s" min:"100ms" max:"10m" doc:"Time a client has to send its request headers."`
	ReadTimeout       time.Duration `env:"HTTP_READ_TIMEOUT" envDefault:"15s" min:"100ms" max:"10m" doc:"Time a client has to send a whole request."`
	WriteTimeout      time.Duration `env:"HTTP_WRITE_TIMEOUT" envDefault:"30s" min:"100ms" max:"10m" doc:"Time from the end of the request headers to the end of the answer."`
	IdleTimeout       time.Duration `env:"HTTP_IDLE_TIMEOUT" envDefault:"90s" min:"100ms" max:"1h" doc:"How long a connection without a request stays open. Keep it above that of the proxy in front."`
	MaxHeaderBytes    int           `env:"HTTP_MAX_HEADER_BYTES" envDefault:"65536" min:"4096" max:"1048576" doc:"Largest request line and headers, in bytes."`
	AllowedOrigins    Origins       `env:"CORS_ALLOWED_ORIGINS" example:"https://app.example.com,https://*.example.com" doc:"Comma list of origins whose pages may call the API: scheme://host[:port] without a trailing slash, a leading *. for every subdomain, or * alone for everybody. Empty: no CORS."`
	TrustedProxies    Proxies       `env:"TRUSTED_PROXIES" example:"10.0.0.0/8,192.0.2.7" doc:"Comma list of addresses or CIDR ranges whose X-Forwarded-For is believed. Empty: nobody's. Name the load balancer here, or all clients are one to the rate limits."`
}

// Database is PostgreSQL.
type Database struct {
	URL            URL           `env:"DATABASE_URL" example:"postgres://evently:evently@localhost:5432/evently" doc:"postgres:// URL. Behind PgBouncer in transaction mode add ?default_query_exec_mode=exec, because prepared statements do not survive there."`
	MigrateURL     URL           `env:"MIGRATE_DATABASE_URL" example:"postgres://evently:evently@localhost:5432/evently" doc:"Where migrations go, when DATABASE_URL leads through a pooler in transaction mode: the same database, directly. They need a session of their own, for the lock by which instances take turns. Empty: DATABASE_URL."`
	MaxConns       int32         `env:"DATABASE_MAX_CONNS" envDefault:"0" min:"0" max:"1000" doc:"Largest number of connections of this instance; 0 is 16 for each CPU, from 16 to 48: most of a booking's time is a commit that waits for the disk, and commits that wait together share one write. Instances times this must stay under the server's max_connections (or PgBouncer's max_client_conn)."`
	AcquireTimeout time.Duration `env:"DATABASE_ACQUIRE_TIMEOUT" envDefault:"800ms" min:"10ms" max:"30s" doc:"How long a request waits for a free connection before it is told 503."`
	MaxWaiting     int           `env:"DATABASE_MAX_WAITING" envDefault:"1000" min:"1" max:"100000" doc:"How many requests may wait for a connection at once; one more is told 503 at once."`
	QueryTimeout   time.Duration `env:"DATABASE_QUERY_TIMEOUT" envDefault:"5s" min:"10ms" max:"5m" doc:"Longest time of one operation on the database, and, from a second up, how long the server lets an instance that stands still keep what a transaction has locked."`
	ConnectTimeout time.Duration `env:"DATABASE_CONNECT_TIMEOUT" envDefault:"2s" min:"10ms" max:"1m" doc:"Longest time to open a connection."`
	MigrateOnStart bool          `env:"MIGRATE_ON_START" envDefault:"true" doc:"Bring the schema up to date at start. With false, a schema that does not fit stops the start."`
	NewerSchema    bool          `env:"ALLOW_NEWER_SCHEMA" envDefault:"false" doc:"Start on a schema that a newer release has made, which is refused otherwise: for instances that may have to start again while the next release is rolled out, and for going back a release."`
}

// Pool gives the largest number of connections of this instance.
func (d Database) Pool() int32 {
	if d.MaxConns > 0 {
		return d.MaxConns
	}
	return int32(min(48, max(16, 16*runtime.NumCPU())))
}

// ForMigrations gives the address of the database for changes of its schema.
func (d Database) ForMigrations() string {
	if d.MigrateURL != "" {
		return d.MigrateURL.Reveal()
	}
	return d.URL.Reveal()
}

// Redis is the store of what may be lost.
type Redis struct {
	URL     URL           `env:"REDIS_URL" example:"redis://localhost:6379/0" doc:"redis:// or rediss:// (TLS) URL; a comma list of them is a cluster."`
	Timeout time.Duration `env:"REDIS_TIMEOUT" envDefault:"250ms" min:"10ms" max:"10s" doc:"Longest time to connect, to write a command and to read its answer, each. Redis is never worth a long wait."`
}

// Auth is who may sign in and for how long.
type Auth struct {
	JWTSecrets    Secrets       `env:"JWT_SECRET" example:"change-me-to-the-output-of-openssl-rand-base64-48" doc:"Key of the access tokens, at least 32 bytes in production. A comma list rotates keys: the first signs, all verify. Development makes one at each start if it is empty."`
	TokenTTL      time.Duration `env:"JWT_TTL" envDefault:"24h" min:"1m" max:"720h" doc:"How long an access token is valid."`
	AdminEmail    string        `env:"ADMIN_EMAIL" example:"admin@example.com" doc:"Administrator to make sure of at start; together with ADMIN_PASSWORD."`
	AdminPassword Secret        `env:"ADMIN_PASSWORD" example:"" doc:"Their password, 8 to 72 bytes."`

	// Generated tells that no JWT_SECRET was set and that this start made one of its own: its
	// tokens end with the process.
	Generated bool
}

// Booking is holds and limits.
type Booking struct {
	SeatLockTimeout Seconds `env:"SEAT_LOCK_TIMEOUT" envDefault:"600" min:"1s" max:"24h" doc:"How long a hold lasts, in seconds."`
	CleanupSchedule string  `env:"CLEANUP_SCHEDULE" envDefault:"*/2 * * * *" doc:"When expired holds are tidied away: five cron fields, or @every 30s. Seats are free again without it."`
	CleanupBatch    int     `env:"CLEANUP_BATCH_SIZE" envDefault:"150" min:"1" max:"10000" doc:"Most bookings that one cleanup transaction takes."`
	MaxSeats        int     `env:"MAX_SEATS_PER_BOOKING" envDefault:"10" min:"1" max:"100" doc:"Most seats of one booking."`
	MaxSeatsPerUser int     `env:"MAX_SEATS_PER_USER_PER_SHOW" envDefault:"10" min:"0" max:"100000" doc:"Most seats that one user may hold or have booked in one show; 0 is no limit."`
}

// WaitingRoom is how a rush is let in. The mode, the cap and the batch can be set for one show by
// an admin.
type WaitingRoom struct {
	Mode          string        `env:"WAITING_ROOM_MODE" envDefault:"auto" oneof:"auto,queue_all,passthrough,closed" doc:"auto lets users pass until the cap is reached; queue_all makes everybody queue; passthrough lets everybody in; closed lets nobody in."`
	MaxUsers      int64         `env:"MAX_CONCURRENT_USERS" envDefault:"500" min:"1" max:"1000000" doc:"Most users admitted to the booking of one show at a time, over all instances."`
	BatchSize     int64         `env:"WAITING_ROOM_BATCH_SIZE" envDefault:"50" min:"1" max:"10000" doc:"Most users let in from the queue at once."`
	AdmitInterval time.Duration `env:"WAITING_ROOM_ADMIT_INTERVAL" envDefault:"2s" min:"100ms" max:"1m" doc:"Time between two batches."`
	Grace         time.Duration `env:"WAITING_ROOM_GRACE" envDefault:"30s" min:"1s" max:"10m" doc:"How long a user who waits counts as present after a sign of life."`
	Abandon       time.Duration `env:"WAITING_ROOM_ABANDON" envDefault:"5m" min:"1s" max:"1h" doc:"How long a place is kept after a sign of life; at least WAITING_ROOM_GRACE."`
	SessionTTL    time.Duration `env:"WAITING_ROOM_SESSION_TTL" envDefault:"5m" min:"1s" max:"24h" doc:"How long an admission lasts."`
	Refresh       time.Duration `env:"WAITING_ROOM_REFRESH_INTERVAL" envDefault:"3s" min:"1s" max:"1m" doc:"When those who wait are told to ask again, in whole seconds."`
	OnError       string        `env:"WAITING_ROOM_ON_ERROR" envDefault:"open" oneof:"open,closed" doc:"While Redis does not answer: open lets everybody book, closed nobody."`
}

// Payment is the simulated provider.
type Payment struct {
	SuccessRate float64       `env:"PAYMENT_SUCCESS_RATE" envDefault:"0.9" min:"0" max:"1" doc:"Share of payments that succeed, 0 to 1, where the request does not say."`
	Timeout     time.Duration `env:"PAYMENT_TIMEOUT" envDefault:"10s" min:"100ms" max:"5m" doc:"Longest time of one request to the payment provider. A payment that was left open for twice as long, by a crash say, is looked up at the provider."`
	Delay       time.Duration `env:"PAYMENT_DELAY" envDefault:"1s" min:"0s" max:"1m" doc:"How long the provider takes; below HTTP_WRITE_TIMEOUT."`
}

// Cache bounds the age and the memory of responses kept in memory. A seat map shows changes by its own
// instance at once, whatever its age.
type Cache struct {
	MaxAge          time.Duration `env:"CACHE_MAX_AGE" envDefault:"200ms" min:"0s" max:"10s" doc:"How old lists of shows, searches and show details may be, and how long a seat map may miss changes by other instances; 0 disables caching."`
	AnalyticsMaxAge time.Duration `env:"ANALYTICS_MAX_AGE" envDefault:"2s" min:"0s" max:"1h" doc:"How old a report for admins may be; 0 disables caching."`
	SeatMapBytes    int           `env:"CACHE_SEAT_MAP_BYTES" envDefault:"33554432" min:"1048576" max:"17179869184" doc:"Memory for seat maps; one of 20,000 seats takes about 2 MB. When it is full, maps are dropped at random."`
	ListBytes       int           `env:"CACHE_LIST_BYTES" envDefault:"4194304" min:"65536" max:"17179869184" doc:"Memory for lists of shows and for reports, each."`
}

// Limits are how many requests one user or client may make. A client is an IPv4 address, or an
// IPv6 network of 64 bits. Each number may come at once; it comes back evenly, over a minute.
type Limits struct {
	Requests int `env:"RATE_LIMIT_PER_MINUTE" envDefault:"300" min:"0" max:"1000000" doc:"Requests to /api/v1 a minute: of each user where a token is needed, and else, also with a bad token, of each client address. As many may come at once; then they come back evenly. 0 is no limit. Behind a proxy that is not in TRUSTED_PROXIES all clients share its address, and this number."`
	Bookings int `env:"BOOKING_RATE_LIMIT_PER_MINUTE" envDefault:"30" min:"0" max:"1000000" doc:"Locks, payments, confirmations and cancellations a minute of each user, taken together; they count as requests, too. 0 is no limit of their own."`
	Logins   int `env:"AUTH_RATE_LIMIT_PER_MINUTE" envDefault:"20" min:"0" max:"1000000" doc:"Registrations and logins a minute, taken together: of each client address, and with each email from anywhere. 0 is no limit of their own."`
}

// Metrics is where the process tells how it does.
type Metrics struct {
	Addr string `env:"METRICS_ADDR" example:"127.0.0.1:9090" doc:"host:port of a second listener that serves /metrics for Prometheus, to everybody who can reach it; :9090 is all addresses of the machine. Empty: no metrics are served."`
}

// Tracing is where spans go. The names are those of OpenTelemetry.
type Tracing struct {
	Endpoint    string  `env:"OTEL_EXPORTER_OTLP_ENDPOINT" example:"http://localhost:4318" doc:"Base URL of an OpenTelemetry collector that takes OTLP over HTTP. Empty: no tracing, at no cost."`
	Headers     Secret  `env:"OTEL_EXPORTER_OTLP_HEADERS" example:"" doc:"Comma list of name=value headers for the collector, such as an API key."`
	ServiceName string  `env:"OTEL_SERVICE_NAME" envDefault:"evently" doc:"Name of the service in traces."`
	Ratio       float64 `env:"OTEL_TRACES_SAMPLER_ARG" envDefault:"1" min:"0" max:"1" doc:"Share of traces that are kept, 0 to 1; those that a caller has begun follow the caller."`
}

// TracesURL gives the address that spans are sent to.
func (t Tracing) TracesURL() string { return strings.TrimRight(t.Endpoint, "/") + "/v1/traces" }

// HeaderMap gives the headers for the collector.
func (t Tracing) HeaderMap() map[string]string {
	headers := map[string]string{}
	for pair := range strings.SplitSeq(t.Headers.Reveal(), ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return headers
}

// IsProduction reports whether APP_ENV is production.
func (c *Config) IsProduction() bool { return c.Service.Env == Production }

// Now is the clock of this process. What several instances must agree on goes by the database's.
func (c *Config) Now() time.Time { return time.Now().Add(c.Service.ClockOffset) }

// LogJSON reports whether log lines are JSON.
func (c *Config) LogJSON() bool {
	return c.Service.LogFormat == "json" || c.Service.LogFormat == "auto" && c.IsProduction()
}
