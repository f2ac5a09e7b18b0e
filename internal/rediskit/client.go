// Package rediskit owns the connection to Redis: one client, one circuit breaker, and one log line when it
// opens and one when it closes.
package rediskit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrUnavailable is wrapped by the error of every command that Redis did not process, because it cannot
// be reached, is too slow, refuses all commands, or because the circuit breaker is open.
var ErrUnavailable = errors.New("redis unavailable")

// Options configure a Client. The zero value of each field is its default.
type Options struct {
	// Timeout bounds one command or pipeline, retries included. The default is 250 ms.
	Timeout time.Duration
	// Cooldown is how long the circuit breaker stays open. The default is 2 s.
	Cooldown time.Duration
	// OnStateChange is called with the new state of the circuit breaker: closed, half-open or open. It
	// must return at once.
	OnStateChange func(state string)
	// Log receives the opening and closing of the circuit breaker. The default discards it.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 250 * time.Millisecond
	}
	if o.Cooldown <= 0 {
		o.Cooldown = 2 * time.Second
	}
	if o.OnStateChange == nil {
		o.OnStateChange = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Client is a Redis client behind a circuit breaker. Scripts that run concurrently share round trips. It is
// safe for concurrent use.
type Client struct {
	redis.UniversalClient
	scripts *redis.AutoPipeliner
	breaker *breaker
}

// batches is how many batches of scripts are in flight at once: with one, a connection that hangs would
// stall all scripts.
const batches = 2

// New returns a Client over client, which it owns from then on.
func New(client redis.UniversalClient, o Options) (*Client, error) {
	guard := newBreaker(o.withDefaults())
	client.AddHook(guard)
	scripts, err := client.AutoPipelineWithOptions(&redis.AutoPipelineOptions{MaxConcurrentBatches: batches, Unordered: true})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("batch scripts: %w", err), client.Close())
	}
	return &Client{UniversalClient: client, scripts: scripts, breaker: guard}, nil
}

// Down reports whether the circuit breaker is not closed.
func (c *Client) Down() bool { return c.breaker.down() }

// Available reports whether Redis replies to a ping.
func (c *Client) Available() bool { return c.Ping(context.Background()).Err() == nil }

// EvalSha implements redis.Scripter. Calls at the same time share a round trip. Once it has begun, it does
// not end with ctx, but with the client's timeout.
func (c *Client) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) (cmd *redis.Cmd) {
	if ctx.Err() != nil {
		cmd = redis.NewCmd(ctx)
		cmd.SetErr(context.Cause(ctx))
		return cmd
	}
	// The batch has no context of its own, and so no span.
	_ = traced(ctx, "evalsha", func(ctx context.Context) error {
		cmd = c.scripts.EvalSha(ctx, sha1, keys, args...)
		return cmd.Err()
	})
	return cmd
}

// ForEachMaster calls fn for the single node, or for every master of the cluster, concurrently, and returns
// the first error.
func (c *Client) ForEachMaster(ctx context.Context, fn func(ctx context.Context, node *redis.Client) error) error {
	switch client := c.UniversalClient.(type) {
	case *redis.ClusterClient:
		return client.ForEachMaster(ctx, fn)
	case *redis.Client:
		return fn(ctx, client)
	default:
		return fmt.Errorf("no nodes in a %T", client)
	}
}

// Close closes all connections. Closing again does nothing.
func (c *Client) Close() error {
	if err := c.UniversalClient.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}
