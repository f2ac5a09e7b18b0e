package testkit

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// QueryCount keeps the statements that a pool ran. It is safe for concurrent use.
type QueryCount struct {
	mu         sync.Mutex
	statements []string
	roundTrips int
}

// CountingPool is Pool with a record of the statements that are run on it.
func CountingPool(t testing.TB) (*pgxpool.Pool, *QueryCount) {
	t.Helper()
	count := &QueryCount{}
	config := Pool(t).Config()
	config.ConnConfig.Tracer = count
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatalf("open a counting pool: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool, count
}

// Reset forgets what was run so far.
func (c *QueryCount) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements, c.roundTrips = nil, 0
}

// RoundTrips gives how often the server was waited for since the last Reset: once a statement, and
// once a batch. Those that open, close and prepare count too, as far as the driver tells of them.
func (c *QueryCount) RoundTrips() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.roundTrips
}

func (c *QueryCount) waited() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roundTrips++
}

// Statements gives the statements since the last Reset, without those that open, set up and close
// transactions or only ask whether the connection lives.
func (c *QueryCount) Statements() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.statements)
}

func (c *QueryCount) add(sql string) {
	sql = strings.TrimSpace(sql)
	switch word, _, _ := strings.Cut(strings.ToLower(sql), " "); word {
	case "begin", "set", "commit", "rollback", "--":
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements = append(c.statements, sql)
}

// TraceQueryStart is part of pgx.QueryTracer.
func (c *QueryCount) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	c.waited()
	c.add(data.SQL)
	return ctx
}

// TraceQueryEnd is part of pgx.QueryTracer.
func (c *QueryCount) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart is part of pgx.BatchTracer.
func (c *QueryCount) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.waited()
	return ctx
}

// TraceBatchQuery is part of pgx.BatchTracer: each statement of a batch counts.
func (c *QueryCount) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	c.add(data.SQL)
}

// TraceBatchEnd is part of pgx.BatchTracer.
func (c *QueryCount) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
