// Package archtest tests the rules of the architecture: which package may import which, and what may be done where. The tables
// in this file are the rules; check_test.go checks them.
package archtest

// anything stands for every room.
const anything = "*"

// room is one package of the module.
type room struct {
	path string
	owns string
	// imports are the rooms that it may import.
	imports []string
	// importedBy, unless nil, are the only rooms that may import it. Tests may import every room.
	importedBy []string
}

// rooms are all packages. A package that is missing here fails the test.
var rooms = []room{
	{
		path: "internal/domain",
		owns: "entities, value types, state transitions, coded errors",
	},
	{
		path:    "internal/service",
		owns:    "use cases, authorisation, transaction boundaries, the ports it needs",
		imports: []string{"internal/domain"},
	},
	{
		path:    "internal/repository",
		owns:    "all SQL; SQLSTATE and constraint name to domain errors",
		imports: []string{"internal/domain", "internal/service"},
	},
	{
		path: "internal/rediskit",
		owns: "the Redis client: connecting, batching scripts, one circuit breaker, one log line an outage",
	},
	{
		path:    "internal/seatlock",
		owns:    "Redis seat locks",
		imports: []string{"internal/domain", "internal/rediskit"},
	},
	{
		path:    "internal/waitingroom",
		owns:    "the queue in Redis, the task and worker that admit from it",
		imports: []string{"internal/domain", "internal/rediskit"},
	},
	{
		path:    "internal/respcache",
		owns:    "encoded responses in memory, for a short time",
		imports: []string{"internal/domain"},
	},
	{
		path:    "internal/seatmap",
		owns:    "the seat maps of shows in memory, encoded, with own changes applied at once",
		imports: []string{"internal/domain", "internal/respcache"},
	},
	{
		path:    "internal/jobs",
		owns:    "the asynq queue of work that follows a commit",
		imports: []string{"internal/rediskit"},
	},
	{
		path:    "internal/payment",
		owns:    "payment providers",
		imports: []string{"internal/domain"},
	},
	{
		path:    "internal/challenge",
		owns:    "the check of challenges at their provider",
		imports: []string{"internal/domain"},
	},
	{
		path:    "internal/ratelimit",
		owns:    "budgets of requests in Redis, and in memory while Redis is away",
		imports: []string{"internal/rediskit"},
	},
	{
		path:    "internal/handler",
		owns:    "HTTP handlers, DTOs, strict decoding, validation",
		imports: []string{"internal/domain", "internal/service", "internal/respond", "internal/respcache", "internal/seatmap"},
	},
	{
		path:    "internal/middleware",
		owns:    "request id, access log, recover, auth, rate limit, waiting-room gate, idempotency key",
		imports: []string{"internal/domain", "internal/service", "internal/waitingroom", "internal/ratelimit", "internal/respond"},
	},
	{
		path:    "internal/respond",
		owns:    "writing JSON; the one place where an error becomes a status",
		imports: []string{"internal/domain"},
	},
	{
		path:    "internal/server",
		owns:    "the route table, http.Server, drain",
		imports: []string{"internal/domain", "internal/handler", "internal/middleware", "internal/respond", "api"},
	},
	{
		path:    "internal/schedule",
		owns:    "the cron table",
		imports: []string{"internal/service"},
	},
	{
		path:       "internal/telemetry",
		owns:       "log, metrics and traces; implements the recorders of the other rooms",
		imports:    []string{"internal/domain", "internal/service", "internal/config"},
		importedBy: []string{"internal/app", "cmd/evently"},
	},
	{
		path:    "internal/config",
		owns:    "environment to a documented, validated struct",
		imports: []string{"internal/commonpasswords"},
	},
	{
		path:       "internal/commonpasswords",
		owns:       "the passwords that are guessed first",
		importedBy: []string{"internal/config", "internal/app"},
	},
	{
		path:       "internal/schema",
		owns:       "running migrations, and telling when database and binary disagree",
		imports:    []string{"migrations"},
		importedBy: []string{"internal/app", "cmd/evently", "internal/testkit"},
	},
	{
		path:       "internal/app",
		owns:       "composition root: New, Run, ordered shutdown",
		imports:    []string{anything},
		importedBy: []string{"cmd/evently", "cmd/evently-bench"},
	},
	{
		path:       "internal/devstack",
		owns:       "a private PostgreSQL and Redis",
		importedBy: []string{"cmd/evently", "cmd/evently-bench", "internal/testkit", "internal/devstack/ensure"},
	},
	{
		path:       "internal/devstack/ensure",
		owns:       "installing PostgreSQL and Redis before tests",
		imports:    []string{"internal/devstack"},
		importedBy: []string{},
	},
	{
		path:       "internal/testprogress",
		owns:       "printing what the tests are at",
		importedBy: []string{},
	},
	{
		path:       "internal/testkit",
		owns:       "stores, rows and a client for tests",
		imports:    []string{anything},
		importedBy: []string{}, // tests only
	},
	{
		path:       "internal/chaos",
		owns:       "breaking everything while people book, and checking what they were told; tests only",
		importedBy: []string{},
	},
	{
		path:       "internal/archtest",
		owns:       "these rules",
		importedBy: []string{},
	},
	{
		path:       "internal/opstest",
		owns:       "holding Dockerfile, deploy/ and the documentation against the code",
		importedBy: []string{},
	},
	{
		path:       "migrations",
		owns:       "the SQL files",
		importedBy: []string{"internal/schema"},
	},
	{
		path: "api",
		owns: "the OpenAPI document",
	},
	{
		path:       "api/apitest",
		owns:       "validating responses of tests against the OpenAPI document",
		imports:    []string{"api"},
		importedBy: []string{"internal/testkit"},
	},
	{
		path:       "cmd/evently",
		owns:       "the subcommands",
		imports:    []string{anything},
		importedBy: []string{},
	},
	{
		path:       "cmd/evently-bench",
		owns:       "measuring the service against its yardsticks",
		imports:    []string{"internal/app", "internal/config", "internal/devstack", "internal/domain", "internal/repository", "internal/service"},
		importedBy: []string{},
	},
}

// library is an import from outside of the module that is limited to some rooms.
type library struct {
	path string // and everything below it
	in   []string
	// exactly excludes packages below path.
	exactly bool
}

var libraries = []library{
	{path: "github.com/jackc/pgx", in: []string{
		"internal/repository", "internal/schema", "internal/app", "internal/telemetry", "internal/devstack",
		"internal/testkit", "cmd/evently", "cmd/evently-bench",
	}},
	{path: "go.opentelemetry.io/otel/sdk", in: []string{"internal/telemetry"}},
	{path: "go.opentelemetry.io/otel", in: []string{"internal/telemetry", "internal/middleware", "internal/server", "internal/waitingroom", "internal/rediskit"}},
	{path: "github.com/prometheus", in: []string{"internal/telemetry"}},
	{path: "database/sql", exactly: true, in: []string{"internal/schema"}},
	{path: "database/sql/driver", in: []string{"internal/repository"}},
	{path: "github.com/pressly/goose", in: []string{"internal/schema"}},
	{path: "github.com/redis/go-redis", in: []string{
		"internal/rediskit", "internal/seatlock", "internal/waitingroom", "internal/ratelimit", "internal/telemetry", "internal/jobs", "internal/testkit",
		"cmd/evently",
	}},
	{path: "github.com/hibiken/asynq", in: []string{"internal/waitingroom", "internal/jobs"}},
	{path: "github.com/robfig/cron", in: []string{"internal/schedule", "internal/config", "internal/app"}},
	{path: "net/http", in: []string{
		"internal/challenge",
		"internal/handler", "internal/middleware", "internal/respond", "internal/server", "internal/app", "internal/telemetry",
		"internal/testkit", "cmd/evently", "cmd/evently-bench", "api", "api/apitest",
	}},
	{path: "golang.org/x/text", in: []string{"internal/domain"}},
	{path: "github.com/go-json-experiment/json", in: []string{"internal/handler"}},
	{path: "github.com/alicebob/miniredis", in: []string{"internal/devstack"}},
	{path: "testing", exactly: true, in: []string{"internal/testkit", "api/apitest"}},
}

// ban forbids a function in some rooms.
type ban struct {
	pkg   string
	names []string
	// in are the rooms where it is forbidden, without those in except.
	in, except []string
	why        string
}

var bans = []ban{
	{
		pkg: "os", names: []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"},
		in: []string{anything}, except: []string{"internal/config", "internal/devstack", "internal/testkit"},
		why: "configuration is a struct that is passed down",
	},
	{
		pkg: "time", names: []string{"Now", "Since", "Until"},
		in:  []string{"internal/domain", "internal/service", "internal/repository", "internal/respcache", "internal/seatmap"},
		why: "the clock is injected",
	},
	{
		pkg: "context", names: []string{"Background", "TODO"},
		in: []string{
			"internal/domain", "internal/service", "internal/repository", "internal/seatlock", "internal/waitingroom",
			"internal/handler", "internal/middleware", "internal/respond", "internal/respcache", "internal/seatmap",
		},
		why: "contexts derive from the request's, with context.WithoutCancel for work that outlives it",
	},
}

// maxLines is the maximum length of a Go file without tests. The aim is 400.
const maxLines = 450

// shorter are the files with a lower limit.
var shorter = map[string]int{"cmd/evently/main.go": 70}
