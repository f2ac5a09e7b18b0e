package repository

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connLifetime and its jitter let connections move to another server, some at a time.
	connLifetime       = 30 * time.Minute
	connLifetimeJitter = 5 * time.Minute
	connIdleTime       = 5 * time.Minute

	// cancelGrace is how long a cancelled statement may take to end before its connection is closed.
	cancelGrace = 300 * time.Millisecond

	// minIdleInTransaction spares instances that are only slow.
	minIdleInTransaction = time.Second

	// pingAfter is the idle time after which a connection is checked before use.
	pingAfter = 100 * time.Millisecond
)

// PoolOptions are the settings of a pool of connections. Zero durations mean no limit of ours.
type PoolOptions struct {
	MaxConns       int32
	MinIdleConns   int32 // kept open for the next request
	ConnectTimeout time.Duration
	QueryTimeout   time.Duration   // of the Store that uses the pool
	Tracer         pgx.QueryTracer // may be nil
}

// OpenPool opens a pool of connections with the settings of PoolConfig. Connections are made later.
func OpenPool(ctx context.Context, databaseURL string, o PoolOptions) (*pgxpool.Pool, error) {
	c, err := PoolConfig(databaseURL, o)
	if err != nil {
		return nil, err
	}
	return pgxpool.NewWithConfig(ctx, c)
}

// PoolConfig returns the settings that the statements of Store rely on. It fails only if the URL cannot be parsed.
func PoolConfig(databaseURL string, o PoolOptions) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, err // pgx redacts the password
	}
	if o.MaxConns > 0 {
		c.MaxConns = o.MaxConns
	}
	c.MinIdleConns = o.MinIdleConns
	c.MaxConnLifetime = connLifetime
	c.MaxConnLifetimeJitter = connLifetimeJitter
	c.MaxConnIdleTime = connIdleTime
	c.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > pingAfter }
	if o.ConnectTimeout > 0 {
		c.ConnConfig.ConnectTimeout = o.ConnectTimeout
	}
	c.ConnConfig.Tracer = o.Tracer
	params := c.ConnConfig.RuntimeParams
	params["application_name"] = "evently"
	params["timezone"] = "UTC"
	// Poolers without prepared statements may refuse these.
	if c.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		// Planning a booking's statements anew for each execution costs a quarter of the throughput.
		params["plan_cache_mode"] = "force_generic_plan"
		params["jit"] = "off" // the estimated cost of generic plans would trigger it
		// Otherwise an instance that hangs in a transaction keeps seats locked until TCP times out.
		idle := max(o.QueryTimeout, minIdleInTransaction)
		params["idle_in_transaction_session_timeout"] = strconv.FormatInt(idle.Milliseconds(), 10)
	}
	// By default pgx closes the connection of a cancelled request, and clients give up under load, when the database
	// needs no new connections.
	c.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelGrace}
	}
	return c, nil
}
