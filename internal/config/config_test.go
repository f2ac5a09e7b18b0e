package config_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/config"
)

// Random, since production refuses what stands in a file.
var (
	strongSecret  = rand.Text() + rand.Text()
	storePassword = rand.Text()
)

// valid returns a valid environment for production with changes NAME=value.
func valid(changes ...string) map[string]string {
	environ := map[string]string{
		"DATABASE_URL": "postgres://evently:" + storePassword + "@db:5432/evently",
		"REDIS_URL":    "redis://:" + storePassword + "@cache:6379/0",
		"JWT_SECRET":   strongSecret,
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		environ[name] = value
	}
	return environ
}

func TestLoad_Defaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(valid(), config.NeedServe)
	if err != nil {
		t.Fatal(err)
	}
	if !c.IsProduction() || !c.LogJSON() || c.Auth.Generated || c.OutcomesAllowed() {
		t.Errorf("production %v, JSON %v, generated %v, outcomes %v", c.IsProduction(), c.LogJSON(), c.Auth.Generated, c.OutcomesAllowed())
	}
	want := config.Booking{
		SeatLockTimeout: config.Seconds(10 * time.Minute), CleanupSchedule: "*/2 * * * *",
		CleanupBatch: 150, MaxSeats: 10, MaxSeatsPerUser: 10, MaxHoldsPerUser: 10,
	}
	if diff := cmp.Diff(want, c.Booking); diff != "" {
		t.Errorf("booking (-want +got):\n%s", diff)
	}
	if got, want := c.Database.Pool(), int32(min(48, max(16, 16*runtime.NumCPU()))); got != want {
		t.Errorf("pool of %d, want %d", got, want)
	}
	if c.HTTP.Port != 3000 || c.Auth.TokenTTL != 24*time.Hour || c.Payment.SuccessRate != 0.9 || !c.Database.MigrateOnStart {
		t.Errorf("unexpected defaults:\n%s", c.LogValue().String())
	}
}

func TestLoad_EmptyVariableIsNotSet(t *testing.T) {
	t.Parallel()
	c, err := config.Load(valid("PORT=", "JWT_TTL= ", "CORS_ALLOWED_ORIGINS="), config.NeedServe)
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTP.Port != 3000 || c.Auth.TokenTTL != 24*time.Hour || len(c.HTTP.AllowedOrigins) != 0 {
		t.Errorf("got %s", c.LogValue().String())
	}
}

func TestLoad_InvalidVariables(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ map[string]string
		want    string // a line of the error
	}{
		{"no database", valid("DATABASE_URL="), "DATABASE_URL: is required"},
		{"no redis", valid("REDIS_URL="), "REDIS_URL: is required"},
		{"database scheme", valid("DATABASE_URL=mysql://db/x"), "DATABASE_URL: must be a URL"},
		{"database without host", valid("DATABASE_URL=postgres:///x"), "DATABASE_URL: must be a URL"},
		{"redis scheme", valid("REDIS_URL=http://cache"), "REDIS_URL: must be a URL"},
		{"redis list", valid("REDIS_URL=redis://a:1,http://b"), "REDIS_URL: must be a URL"},
		{"environment", valid("APP_ENV=prod"), "APP_ENV: must be development or production"},
		{"another clock in production", valid("CLOCK_OFFSET=30s"), "CLOCK_OFFSET: must be 0 in production"},
		{"no secret in production", valid("JWT_SECRET="), "JWT_SECRET: is required in production"},
		{"short secret", valid("JWT_SECRET=" + strongSecret[:31]), "JWT_SECRET: must have at least 32 bytes"},
		{"short second secret", valid("JWT_SECRET=" + strongSecret + ",short"), "JWT_SECRET: must have at least 32 bytes"},
		{"empty second secret", valid("JWT_SECRET=" + strongSecret + ","), "JWT_SECRET: has an empty item"},
		{"listen on a port", valid("LISTEN_ADDR=127.0.0.1:3000"), "LISTEN_ADDR: must be an IP address"},
		{"listen on a name", valid("LISTEN_ADDR=web.example.com"), "LISTEN_ADDR: must be an IP address"},
		{"profiles without a port", valid("PPROF_ADDR=127.0.0.1"), "PPROF_ADDR: must be host:port"},
		{"HSTS", valid("HSTS_MAX_AGE=-1h"), "HSTS_MAX_AGE: must be from 0s to 17520h"},
		{"outcomes", valid("PAYMENT_SIMULATED_OUTCOMES=maybe"), "PAYMENT_SIMULATED_OUTCOMES: must be auto or true or false"},
		{"port", valid("PORT=65536"), "PORT: must be from 0 to 65535"},
		{"port text", valid("PORT=http"), "PORT: must be a whole number"},
		{"port range of int", valid("PORT=99999999999"), "PORT: must be a whole number"},
		{"duration", valid("JWT_TTL=24"), "JWT_TTL: must be a duration"},
		{"duration bounds", valid("REDIS_TIMEOUT=-1s"), "REDIS_TIMEOUT: must be from 10ms to 10s"},
		{"bool", valid("MIGRATE_ON_START=perhaps"), "MIGRATE_ON_START: must be true or false"},
		{"rate", valid("PAYMENT_SUCCESS_RATE=1.1"), "PAYMENT_SUCCESS_RATE: must be from 0 to 1"},
		{"rate NaN", valid("PAYMENT_SUCCESS_RATE=NaN"), "PAYMENT_SUCCESS_RATE: must be from 0 to 1"},
		{"payment slower than the response", valid("PAYMENT_DELAY=30s"), "PAYMENT_DELAY: must be below HTTP_WRITE_TIMEOUT (30s)"},
		{"seconds", valid("SEAT_LOCK_TIMEOUT=ten"), "SEAT_LOCK_TIMEOUT: must be a number of seconds"},
		{"seconds bounds", valid("SEAT_LOCK_TIMEOUT=0"), "SEAT_LOCK_TIMEOUT: must be from 1s to 24h"},
		{"schedule", valid("CLEANUP_SCHEDULE=* * *"), "CLEANUP_SCHEDULE: must be five cron fields"},
		{"log level", valid("LOG_LEVEL=loud"), "LOG_LEVEL: must be debug"},
		{"log format", valid("LOG_FORMAT=xml"), "LOG_FORMAT: must be auto or text or json"},
		{"admin without password", valid("ADMIN_EMAIL=a@example.com"), "ADMIN_PASSWORD: is required together with ADMIN_EMAIL"},
		{"admin without email", valid("ADMIN_PASSWORD=" + storePassword), "ADMIN_EMAIL: is required together with ADMIN_PASSWORD"},
		{"admin email", valid("ADMIN_EMAIL=admin", "ADMIN_PASSWORD="+storePassword), "ADMIN_EMAIL: must be an email address"},
		{"admin password", valid("ADMIN_EMAIL=a@example.com", "APP_ENV=development", "ADMIN_PASSWORD=short"), "ADMIN_PASSWORD: must have 8 to 72 bytes"},
		{"origin slash", valid("CORS_ALLOWED_ORIGINS=https://a.example/"), `CORS_ALLOWED_ORIGINS: "https://a.example/" must not end in a slash`},
		{"origin scheme", valid("CORS_ALLOWED_ORIGINS=a.example"), `CORS_ALLOWED_ORIGINS: "a.example" must be scheme://host[:port]`},
		{"origin path", valid("CORS_ALLOWED_ORIGINS=https://a.example/x"), "must have nothing behind"},
		{"origin star in the middle", valid("CORS_ALLOWED_ORIGINS=https://a.*.example"), "may have a * only"},
		{"star and more", valid("CORS_ALLOWED_ORIGINS=*,https://a.example"), `"*" must stand alone`},
		{"proxy", valid("TRUSTED_PROXIES=10.0.0.0/8,proxy"), `TRUSTED_PROXIES: "proxy" is neither`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(tt.environ, config.NeedServe)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestLoad_ErrorNamesEveryFaultAndNoSecret(t *testing.T) {
	t.Parallel()
	_, err := config.Load(map[string]string{
		"APP_ENV": "production", "PORT": "x", "JWT_SECRET": "hunter2", "REDIS_TIMEOUT": "soon",
		"DATABASE_URL": "postgres//u:hunter2@h/d", "TRUSTED_PROXIES": "x", "CLEANUP_SCHEDULE": "x",
	}, config.NeedServe)
	if err == nil {
		t.Fatal("loaded")
	}
	for _, name := range []string{"PORT", "JWT_SECRET", "REDIS_TIMEOUT", "DATABASE_URL", "REDIS_URL", "TRUSTED_PROXIES", "CLEANUP_SCHEDULE"} {
		if strings.Count(err.Error(), "\n  "+name+": ") != 1 {
			t.Errorf("%s is not named once in: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is in: %v", err)
	}
}

func TestLoad_RequiresOnlyWhatTheCommandNeeds(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"DATABASE_URL": "postgres://db/x"}
	if _, err := config.Load(environ, config.NeedDatabase); err != nil {
		t.Error(err)
	}
}

func TestLoad_DevelopmentGeneratesASecret(t *testing.T) {
	t.Parallel()
	a, errA := config.Load(valid("APP_ENV=development", "JWT_SECRET="), config.NeedServe)
	b, errB := config.Load(valid("APP_ENV=development", "JWT_SECRET="), config.NeedServe)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if !a.Auth.Generated || len(a.Auth.JWTSecrets) != 1 || len(a.Auth.JWTSecrets[0]) < 32 {
		t.Errorf("generated %v, %d secrets", a.Auth.Generated, len(a.Auth.JWTSecrets))
	}
	if a.Auth.JWTSecrets[0].Reveal() == b.Auth.JWTSecrets[0].Reveal() {
		t.Error("two starts have the same secret")
	}
}

func TestLoad_Lists(t *testing.T) {
	t.Parallel()
	c, err := config.Load(valid(
		"JWT_SECRET="+strongSecret+", second-"+strongSecret,
		"CORS_ALLOWED_ORIGINS=https://App.example.com, http://localhost:5173,capacitor://localhost,https://*.example.com",
		"TRUSTED_PROXIES=10.1.2.3/8,::1,192.0.2.7", "REDIS_URL=rediss://:"+storePassword+"@a:6379,b:6380", "SEAT_LOCK_TIMEOUT=90s",
	), config.NeedServe)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		c.Auth.JWTSecrets[1].Reveal(), c.HTTP.AllowedOrigins.String(), c.HTTP.TrustedProxies.String(),
		strings.Join(c.Redis.URL.Parts(), " "), c.Booking.SeatLockTimeout.String(),
	}
	want := []string{
		"second-" + strongSecret, "https://app.example.com,http://localhost:5173,capacitor://localhost,https://*.example.com",
		"10.0.0.0/8,::1/128,192.0.2.7/32", "rediss://:" + storePassword + "@a:6379 rediss://b:6380", "1m30s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !c.LogJSON() {
		t.Error("production does not log JSON")
	}
}

func TestConfig_SecretsAreRedacted(t *testing.T) {
	t.Parallel()
	c, err := config.Load(valid("APP_ENV=development",
		"DATABASE_URL=postgres://u:pgpass@db/x?password=pgpass&sslpassword=pgpass", "REDIS_URL=redis://:redispass@a:1,redis://:redispass@b:2",
		"ADMIN_EMAIL=a@example.com", "ADMIN_PASSWORD=adminpass",
	), config.NeedServe)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("start", "config", c)
	for name, text := range map[string]string{
		"LogValue": c.LogValue().String(), "slog": logged.String(), "JSON": string(asJSON),
		"%v": fmt.Sprintf("%v", *c), "%+v": fmt.Sprintf("%+v", *c), "%#v": fmt.Sprintf("%#v", *c),
	} {
		for _, secret := range []string{"pgpass", "redispass", "adminpass", strongSecret} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s: %s", name, secret, text)
			}
		}
	}
	if !strings.Contains(c.LogValue().String(), "DATABASE_URL=postgres://u:xxxxx@db/x") {
		t.Errorf("the address is redacted as a whole:\n%s", c.LogValue().String())
	}
}

func TestURL_MalformedAddressIsRedacted(t *testing.T) {
	t.Parallel()
	for _, address := range []config.URL{"postgres://u:pgpass@[db", "u:pgpass@db/x", "host=db password=pgpass"} {
		if text := address.String(); strings.Contains(text, "pgpass") {
			t.Errorf("shown: %s", text)
		}
	}
}

func TestEnviron_ProcessEnvironmentBeatsTheFile(t *testing.T) {
	t.Setenv("PORT", "4000")
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte("# settings\nPORT=5000\nLOG_FORMAT=json\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ, err := config.Environ(path)
	if err != nil {
		t.Fatal(err)
	}
	if environ["PORT"] != "4000" || environ["LOG_FORMAT"] != "json" {
		t.Errorf("PORT=%s LOG_FORMAT=%s", environ["PORT"], environ["LOG_FORMAT"])
	}
	if _, err := config.Environ(filepath.Join(t.TempDir(), "missing")); err != nil {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("JWT_SECRET hunter2\n=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Environ(path); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a broken file: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("https://a.example", "10.0.0.0/8", "redis://a,b", "600", "a,b", "postgres://u:p@h/d")
	f.Add("*", "::1", ",", "10m", ",", "host=/tmp")
	f.Fuzz(func(t *testing.T, origins, proxies, redis, lock, secret, database string) {
		c, err := config.Load(map[string]string{
			"CORS_ALLOWED_ORIGINS": origins, "TRUSTED_PROXIES": proxies, "REDIS_URL": redis,
			"SEAT_LOCK_TIMEOUT": lock, "JWT_SECRET": secret, "DATABASE_URL": database,
		}, config.NeedServe)
		if err != nil {
			return
		}
		if d := c.Booking.SeatLockTimeout.Duration(); d < time.Second || d > 24*time.Hour {
			t.Errorf("a hold of %s", d)
		}
		for _, s := range c.Auth.JWTSecrets {
			if s == "" {
				t.Error("an empty secret")
			}
		}
		for _, o := range c.HTTP.AllowedOrigins {
			if o != "*" && (!strings.Contains(o, "://") || strings.HasSuffix(o, "/")) {
				t.Errorf("origin %q", o)
			}
		}
		for _, p := range c.HTTP.TrustedProxies {
			if !p.IsValid() {
				t.Errorf("proxy %v", p)
			}
		}
		_ = c.LogValue().String()
	})
}
