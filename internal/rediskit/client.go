// Package rediskit owns the connection to Redis: one client behind one circuit breaker.
package rediskit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// ErrUnavailable is wrapped by the error of every command that Redis did not process.
var ErrUnavailable = errors.New("redis unavailable")

// Options configure a Client. The zero value of each field is its default.
type Options struct {
	Timeout       time.Duration      // of one command or pipeline, retries included; default 250 ms
	Cooldown      time.Duration      // how long the circuit breaker stays open; default 2 s
	OnStateChange func(state string) // is called with closed, half-open or open, and must return at once
	Log           *slog.Logger       // of the circuit breaker; default none
}

func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, 250*time.Millisecond)
	o.Cooldown = cmp.Or(o.Cooldown, 2*time.Second)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.OnStateChange == nil {
		o.OnStateChange = func(string) {}
	}
	return o
}

// Client is a Redis client behind a circuit breaker. Scripts that run concurrently share round trips.
type Client struct {
	redis.UniversalClient
	scripts *redis.AutoPipeliner
	breaker *breaker
}

const (
	batches         = 2 // of scripts in flight at once: with one, a connection that hangs would stall all
	maxRetryBackoff = 20 * time.Millisecond
)

// Open returns a Client for one redis:// or rediss:// URL, or for a cluster if there are several. User,
// password, database and TLS are taken from the first. It does not connect.
func Open(urls []string, o Options) (*Client, error) {
	o = o.withDefaults()
	var options redis.UniversalOptions
	for i, url := range urls {
		parsed, err := redis.ParseURL(url)
		if err != nil {
			return nil, fmt.Errorf("REDIS_URL: address %d is invalid", i+1) // err may contain the password
		}
		if i == 0 {
			options.Username, options.Password = parsed.Username, parsed.Password
			options.DB, options.TLSConfig = parsed.DB, parsed.TLSConfig
		}
		options.Addrs = append(options.Addrs, parsed.Addr)
	}
	if len(options.Addrs) > 1 && options.DB != 0 {
		return nil, errors.New("REDIS_URL: a cluster has only database 0")
	}
	options.ClientName = "evently"
	options.DialTimeout, options.ReadTimeout = o.Timeout, o.Timeout
	options.WriteTimeout, options.PoolTimeout = o.Timeout, o.Timeout
	options.ContextTimeoutEnabled = true
	options.MaxRetries = 1
	options.MaxRetryBackoff = maxRetryBackoff
	options.DialerRetries = 1
	options.MinIdleConns = 1
	return New(redis.NewUniversalClient(&options), o)
}

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

var one = redis.NewScript(`return 1`)

// CheckAccess returns an error if Redis refuses the user or the password of REDIS_URL, or commands that Evently cannot
// do without. A Redis that is away is no error.
func (c *Client) CheckAccess(ctx context.Context) error {
	err := c.Ping(ctx).Err()
	if err == nil {
		err = one.Run(ctx, c, nil).Err()
	}
	if isRefusal(err) {
		return fmt.Errorf("REDIS_URL: Redis refuses this user or password: %w", err)
	}
	return nil
}

// NoEviction is the one maxmemory-policy that drops nothing.
const NoEviction = "noeviction"

// MaxmemoryPolicy returns what Redis drops when its memory is full: of a cluster, the policy of a master that may drop
// something, if there is one. It is "" if Redis does not say.
func (c *Client) MaxmemoryPolicy(ctx context.Context) (string, error) {
	var mu sync.Mutex
	found := ""
	err := c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		// Managed ones forbid CONFIG GET.
		info, err := node.Info(ctx, "memory").Result()
		if err != nil {
			return err
		}
		for line := range strings.Lines(info) {
			if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok {
				mu.Lock()
				defer mu.Unlock()
				if found == "" || found == NoEviction {
					found = policy
				}
				return nil
			}
		}
		return nil
	})
	return found, err
}

func (c *Client) Down() bool { return c.breaker.down() }

func (c *Client) Available() bool { return c.Ping(context.Background()).Err() == nil }

// EvalSha shares a round trip with other calls. Once begun it ends with the client's timeout, not with ctx.
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

// ForEachMaster calls fn for the single node, or for every master of the cluster, concurrently.
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

// traced runs a command in a span, if ctx has one that is recorded, without its arguments: they may be tokens.
func traced(ctx context.Context, name string, run func(ctx context.Context) error) error {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return run(ctx)
	}
	ctx, span := parent.TracerProvider().Tracer("evently").Start(ctx, "redis "+name,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("db.system.name", "redis")))
	defer span.End()
	err := run(ctx)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
