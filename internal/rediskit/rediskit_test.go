package rediskit_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"evently/internal/rediskit"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silence{}) // the outages here are on purpose
	testkit.Main(m)
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

var echo = redis.NewScript(`return ARGV[1]`)

// record collects the log and the states of a client.
type record struct {
	mu     sync.Mutex
	log    strings.Builder
	states []string
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *record) options(cooldown time.Duration) rediskit.Options {
	return rediskit.Options{
		Cooldown: cooldown,
		Log:      slog.New(slog.NewTextHandler(r, nil)),
		OnStateChange: func(state string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.states = append(r.states, state)
		},
	}
}

func (r *record) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Split(strings.TrimSpace(r.log.String()), "\n")
}

// counting is a hook that counts round trips.
type counting struct{ n atomic.Int64 }

func (c *counting) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c.n.Add(1); return next(ctx, cmd) }
}

func (c *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { c.n.Add(1); return next(ctx, cmds) }
}

func TestBreaker_AnOutageIsTwoLines(t *testing.T) {
	t.Parallel()
	wired, wire := testkit.WiredRedis(t, testkit.Redis(t))
	var seen record
	client := testkit.Rediskit(t, wired, seen.options(time.Nanosecond)) // every command is an attempt
	if err := client.Ping(t.Context()).Err(); err != nil || client.Down() {
		t.Fatal(err, client.Down())
	}
	wire.Cut()
	for range 5 {
		if err := client.Ping(t.Context()).Err(); !errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatalf("command: %v", err)
		}
		if err := echo.Run(t.Context(), client, nil, "a").Err(); !errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatalf("script: %v", err)
		}
	}
	if !client.Down() {
		t.Error("the breaker is closed in an outage")
	}
	wire.Mend()
	if err := client.Ping(t.Context()).Err(); err != nil || client.Down() {
		t.Errorf("after the outage: %v, down %v", err, client.Down())
	}
	lines := seen.lines()
	if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "redis circuit breaker opened") ||
		!strings.Contains(lines[1], "level=INFO") || !strings.Contains(lines[1], "redis circuit breaker closed") {
		t.Errorf("the log is\n%s", strings.Join(lines, "\n"))
	}
	if first, last := seen.states[0], seen.states[len(seen.states)-1]; first != "open" || last != "closed" {
		t.Errorf("states: %v", seen.states)
	}
}

func TestBreaker_OpenSendsNothing(t *testing.T) {
	t.Parallel()
	wired, wire := testkit.WiredRedis(t, testkit.Redis(t))
	client := testkit.Rediskit(t, wired, rediskit.Options{Cooldown: time.Hour})
	wire.Cut()
	for range 3 {
		if err := client.Ping(t.Context()).Err(); !errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	wire.Mend()
	sent := &counting{}
	wired.AddHook(sent) // behind the breaker
	for range 10 {
		if err := echo.Run(t.Context(), client, nil, "a").Err(); !errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatalf("script: %v", err)
		}
		cmds, err := client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			pipe.Set(t.Context(), "a", 1, 0)
			pipe.Get(t.Context(), "a")
			return nil
		})
		if !errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatalf("pipeline: %v", err)
		}
		for _, cmd := range cmds {
			if !errors.Is(cmd.Err(), rediskit.ErrUnavailable) {
				t.Errorf("%s in a pipeline: %v", cmd.Name(), cmd.Err())
			}
		}
	}
	if n := sent.n.Load(); n > 0 {
		t.Errorf("an open breaker lets %d commands pass", n)
	}
}

func TestBreaker_CancelledCallersAreNoFailures(t *testing.T) {
	t.Parallel()
	var seen record
	client := testkit.Rediskit(t, testkit.Redis(t), seen.options(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if err := echo.Run(ctx, client, nil, "a").Err(); !errors.Is(err, context.Canceled) {
			t.Fatalf("script: %v", err)
		}
		if err := client.Ping(ctx).Err(); !errors.Is(err, context.Canceled) || errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatalf("command: %v", err)
		}
	}
	if client.Down() || len(seen.states) > 0 {
		t.Errorf("states: %v", seen.states)
	}
}

func TestBreaker_RepliesAreNoFailures(t *testing.T) {
	t.Parallel()
	client := testkit.Rediskit(t, testkit.Redis(t), rediskit.Options{Cooldown: time.Hour})
	client.Set(t.Context(), "text", "x", 0)
	for range 20 {
		if err := client.Get(t.Context(), "none").Err(); !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		err := client.Incr(t.Context(), "text").Err()
		if err == nil || errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if client.Down() {
		t.Error("the breaker is open")
	}
}

// A server that accepts connections and never replies costs a command its timeout and no more.
func TestBreaker_SilentServerEndsWithTheTimeout(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	silent := redis.NewClient(&redis.Options{
		Addr: listener.Addr().String(), ReadTimeout: time.Hour, ContextTimeoutEnabled: true, MaxRetries: 5,
	})
	client := testkit.Rediskit(t, silent, rediskit.Options{Timeout: 20 * time.Millisecond, Cooldown: time.Hour})
	for range 3 {
		if err := echo.Run(t.Context(), client, nil, "a").Err(); !errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if !client.Down() {
		t.Error("the breaker is closed")
	}
}

// A Redis that was restarted knows no scripts. Each of many callers gets its own result all the same.
func TestClient_ScriptsSurviveARestart(t *testing.T) {
	t.Parallel()
	client := testkit.Rediskit(t, testkit.Redis(t), rediskit.Options{})
	var group sync.WaitGroup
	for i := range 400 {
		group.Go(func() {
			if i%50 == 7 {
				if err := client.ScriptFlush(t.Context()).Err(); err != nil {
					t.Error(err)
				}
			}
			want := fmt.Sprint(i)
			if got, err := echo.Run(t.Context(), client, nil, want).Text(); err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
	group.Wait()
	if client.Down() {
		t.Error("an unknown script has opened the breaker")
	}
}

func TestClient_SpansBelongToTheCaller(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	client := testkit.Rediskit(t, testkit.Redis(t), rediskit.Options{})
	ctx, span := provider.Tracer("test").Start(t.Context(), "request")
	if err := echo.Run(ctx, client, nil, "secret").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Get(ctx, "secret").Err(); !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	span.End()
	names := map[string]bool{}
	for _, s := range spans.GetSpans() {
		names[s.Name] = true
		if s.SpanContext.TraceID() != span.SpanContext().TraceID() {
			t.Errorf("%s is in another trace", s.Name)
		}
		for _, attribute := range s.Attributes {
			if strings.Contains(attribute.Value.String(), "secret") {
				t.Errorf("%s has an argument: %v", s.Name, attribute)
			}
		}
	}
	if !names["redis evalsha"] || !names["redis get"] {
		t.Errorf("spans: %v", names)
	}
}

func TestOpen_URLs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		urls []string
		want string
	}{
		"single":               {[]string{"redis://user:secret@127.0.0.1:1/3"}, ""},
		"cluster":              {[]string{"rediss://127.0.0.1:1", "rediss://127.0.0.1:2"}, ""},
		"invalid":              {[]string{"redis://127.0.0.1:1", "redis://:secret@x:y"}, "REDIS_URL: address 2 is invalid"},
		"cluster and database": {[]string{"redis://127.0.0.1:1/1", "redis://127.0.0.1:2"}, "REDIS_URL: a cluster has only database 0"},
	} {
		client, err := rediskit.Open(c.urls, rediskit.Options{})
		got := ""
		if err != nil {
			got = err.Error()
		} else if err := errors.Join(client.Close(), client.Close()); err != nil {
			t.Errorf("%s: closing: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// user makes a user of client's server with rules, and returns a URL for it.
func user(t *testing.T, client *redis.Client, rules ...any) string {
	t.Helper()
	name := strings.ToLower(rand.Text())
	if err := client.Do(t.Context(), append([]any{"ACL", "SETUSER", name, "on", ">" + name}, rules...)...).Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Do(context.WithoutCancel(t.Context()), "ACL", "DELUSER", name) })
	return fmt.Sprintf("redis://%s:%s@%s/%d", name, name, client.Options().Addr, client.Options().DB)
}

func open(t *testing.T, url string, o rediskit.Options) *rediskit.Client {
	t.Helper()
	o.Timeout = time.Minute
	client, err := rediskit.Open([]string{url}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestCheckAccess(t *testing.T) {
	t.Parallel()
	direct := testkit.Redis(t)
	address := direct.Options().Addr
	for name, tt := range map[string]struct{ url, want string }{
		"all":            {user(t, direct, "~*", "&*", "+@all"), ""},
		"wrong password": {"redis://:special-secret@" + address, "WRONGPASS"},
		"unknown user":   {"redis://nobody:special-secret@" + address, "WRONGPASS"},
		"no password":    {"redis://" + address, "NOAUTH"},
		"no commands":    {user(t, direct, "~*", "&*", "-@all"), "NOPERM"},
		"no scripts":     {user(t, direct, "~*", "&*", "+@all", "-@scripting"), "NOPERM"},
		"away":           {"redis://127.0.0.1:1", ""},
	} {
		got := ""
		if err := open(t, tt.url, rediskit.Options{}).CheckAccess(t.Context()); err != nil {
			got = err.Error()
		}
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) ||
			got != "" && !strings.HasPrefix(got, "REDIS_URL: ") || strings.Contains(got, "special-secret") {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestMaxmemoryPolicy(t *testing.T) {
	t.Parallel()
	direct := testkit.Redis(t)
	for name, rules := range map[string][]any{
		"CONFIG is forbidden": {"~*", "&*", "+@all", "-config"},
		"all is allowed":      {"~*", "&*", "+@all"},
	} {
		client := open(t, user(t, direct, rules...), rediskit.Options{})
		if policy, err := client.MaxmemoryPolicy(t.Context()); policy != rediskit.NoEviction || err != nil {
			t.Errorf("%s: %q, %v", name, policy, err)
		}
	}
}

// Some commands pass, so that the breaker closes again and again.
func TestBreaker_RefusedCommandsAreOneLine(t *testing.T) {
	t.Parallel()
	var seen record
	client := open(t, user(t, testkit.Redis(t), "~*", "&*", "+@all", "-get"), seen.options(time.Nanosecond))
	for range 20 {
		for range 3 {
			if err := client.Get(t.Context(), "a").Err(); !errors.Is(err, rediskit.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if err := client.Ping(t.Context()).Err(); err != nil || client.Down() {
			t.Fatal(err, client.Down())
		}
	}
	lines := seen.lines()
	if len(lines) != 2 || !strings.Contains(lines[0], "NOPERM") || !strings.Contains(lines[1], "redis circuit breaker closed") {
		t.Errorf("%d lines, want 2:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}
