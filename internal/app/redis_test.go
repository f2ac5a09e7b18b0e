package app_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/internal/app"
	"evently/internal/devstack"
	"evently/internal/telemetry"
	"evently/internal/testkit"
)

// ownRedis starts a Redis whose settings a test may change, and returns its URL and a client.
func ownRedis(t *testing.T) (string, *redis.Client) {
	t.Helper()
	dir, err := os.MkdirTemp("", "evently-test-") //nolint:usetesting // a crashed run's folder is found by this prefix
	if err != nil {
		t.Fatal(err)
	}
	stack, err := devstack.Start(t.Context(), devstack.Options{Dir: dir, DatabaseURL: "postgres://not-needed", Ephemeral: true, Install: true})
	if err != nil {
		t.Fatal(err)
	}
	options, err := redis.ParseURL(stack.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() {
		_ = client.Close()
		if err := stack.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return stack.RedisURL, client
}

func TestNew_RefusedByRedisIsOneError(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(testkit.RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	secret := rand.Text()
	for name, tt := range map[string]struct {
		user *url.Userinfo
		want string
	}{
		"wrong password": {url.UserPassword("default", secret), "WRONGPASS"},
		"no password":    {nil, "NOAUTH"},
	} {
		u.User = tt.user
		cfg, log := configure(t, "REDIS_URL="+u.String()), &lockedBuffer{}
		_, err := app.New(t.Context(), app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, log)})
		if err == nil || !strings.HasPrefix(err.Error(), "REDIS_URL: ") || !strings.Contains(err.Error(), tt.want) ||
			strings.Contains(err.Error()+log.String(), secret) || strings.Contains(log.String(), "redis") {
			t.Errorf("%s: error %v, log %s", name, err, log)
		}
	}
}

func TestRedis_PasswordThatChangesIsOneLine(t *testing.T) {
	t.Parallel()
	redisURL, admin := ownRedis(t)
	b := openBoxOffice(t, "REDIS_URL="+redisURL, "LOG_LEVEL=debug", "REDIS_TIMEOUT=5s")
	user := b.user(t)
	b.hold(t, user, b.seats[0])
	before := len(b.operatorLines(t))
	old := admin.Options().Password
	refuse := func(password string) {
		t.Helper()
		if _, err := admin.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			pipe.ConfigSet(t.Context(), "requirepass", password)
			for _, kind := range []string{"normal", "pubsub"} { // whoever is connected stays signed in
				pipe.ClientKillByFilter(t.Context(), "TYPE", kind, "SKIPME", "yes")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	refuse(rand.Text())
	for _, seat := range b.seats[1:6] {
		booking := b.hold(t, user, seat)
		b.cancel(t, user, booking).want(t, http.StatusOK, "")
	}
	eventually(t, "asynq to fail", func() bool { return len(b.logged(t, "asynq")) >= 5 })
	eventually(t, "failed jobs", func() bool { return len(b.logged(t, "job failed")) >= 2 })
	lines := b.operatorLines(t)[before:]
	if len(lines) != 1 || lines[0]["msg"] != "redis circuit breaker opened" || !strings.Contains(lines[0]["error"].(string), "WRONGPASS") {
		t.Errorf("%d lines, want 1: %v", len(lines), lines)
	}
	refuse(old)
	eventually(t, "the end of the outage", func() bool { return len(b.logged(t, "redis circuit breaker closed")) == 1 })
	b.await(t, "/health", http.StatusOK, "status", "OK")
}

// A user who may do some things and not others: commands are refused, and the breaker closes again and again.
func TestRedis_RefusedCommandsAreOneLine(t *testing.T) {
	t.Parallel()
	redisURL, admin := ownRedis(t)
	password := rand.Text()
	if err := admin.Do(t.Context(), "ACL", "SETUSER", "limited", "on", ">"+password, "~seat_lock:*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("limited", password)
	b := openBoxOffice(t, "REDIS_URL="+u.String(), "LOG_LEVEL=debug", "REDIS_TIMEOUT=5s")
	b.hold(t, b.user(t), b.seats[0])
	eventually(t, "asynq to be refused", func() bool {
		return strings.Contains(b.log.String(), "cannot subscribe") && len(b.logged(t, "asynq")) >= 20
	})
	var lines []map[string]any
	for _, line := range b.operatorLines(t) {
		if text := fmt.Sprint(line); strings.Contains(text, "redis") || strings.Contains(text, "NOPERM") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 || len(lines) > 2 || !strings.Contains(fmt.Sprint(lines[0]["error"]), "NOPERM") {
		t.Errorf("%d lines, want one that names the cause, and at most one when it closes: %v", len(lines), lines)
	}
}

func TestRedis_PolicyThatDropsKeysIsAWarning(t *testing.T) {
	t.Parallel()
	redisURL, admin := ownRedis(t)
	const warning = "redis may drop seat locks and queues when its memory is full: set maxmemory-policy to noeviction"
	policies := map[string]int{"noeviction": 0, "allkeys-lru": 1}
	for policy, warnings := range policies {
		if err := admin.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
		i := start(t, "REDIS_URL="+redisURL)
		if diff := cmp.Diff(warnings, len(i.logged(t, warning))); diff != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", policy, diff)
		}
		health := i.await(t, "/health", http.StatusOK, "status", "OK")
		if got := health.member(t, "checks.redis.maxmemory_policy"); got != policy {
			t.Errorf("/health says %v, want %s", got, policy)
		}
	}
}
