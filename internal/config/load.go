package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
	"github.com/robfig/cron/v3"
)

// Need says what a command cannot do without.
type Need uint8

// What commands need.
const (
	NeedDatabase Need = 1 << iota
	NeedRedis
	NeedSecret // JWT_SECRET: required in production, made up in development

	NeedServe = NeedDatabase | NeedRedis | NeedSecret
)

// minSecret is the fewest bytes of a JWT secret in production: the size of an HS256 digest.
const minSecret = 32

// exampleMark is in every secret that our examples show, and so in none that is one.
const exampleMark = "change-me"

// Environ gives the environment of the process, over what the file at path says (a `.env`, which
// need not exist): a variable that is set outside wins.
func Environ(path string) (map[string]string, error) {
	environ, err := godotenv.Read(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		environ = map[string]string{}
	case err != nil:
		// The parser quotes the line that it cannot read, and that line may be a secret.
		return nil, fmt.Errorf("%s: is not a list of NAME=value lines", path)
	}
	for _, pair := range os.Environ() {
		if name, value, ok := strings.Cut(pair, "="); ok {
			environ[name] = value
		}
	}
	return environ, nil
}

// Load makes a Config of environ. A variable that is set to nothing counts as not set. The
// error names every fault at once, a line "NAME: what is wrong" each, and no secret.
func Load(environ map[string]string, need Need) (*Config, error) {
	set := make(map[string]string, len(environ))
	for name, value := range environ {
		if value = strings.TrimSpace(value); value != "" {
			set[name] = value
		}
	}

	c := &Config{}
	var f faults
	f.parse(c, set)
	for _, v := range Variables(c) {
		f.bounds(v)
	}
	f.stores(c, need)
	f.accounts(c, need)
	f.rest(c)
	if err := f.err(); err != nil {
		return nil, err
	}
	if len(c.Auth.JWTSecrets) == 0 { // in production only for a command that serves nothing
		c.Auth.JWTSecrets = Secrets{Secret(rand.Text() + rand.Text())}
		c.Auth.Generated = true
	}
	return c, nil
}

// faults collects what is wrong, the first fault of each variable.
type faults struct {
	lines []string
	named map[string]bool
}

func (f *faults) add(name, format string, args ...any) {
	if f.named == nil {
		f.named = map[string]bool{}
	}
	if f.named[name] {
		return
	}
	f.named[name] = true
	f.lines = append(f.lines, name+": "+fmt.Sprintf(format, args...))
}

func (f *faults) err() error {
	if len(f.lines) == 0 {
		return nil
	}
	slices.Sort(f.lines)
	return errors.New("the configuration is not valid:\n  " + strings.Join(f.lines, "\n  "))
}

// parse fills c. What could not be read keeps its zero value and is not looked at again.
func (f *faults) parse(c *Config, environ map[string]string) {
	err := env.ParseWithOptions(c, env.Options{Environment: environ})
	if err == nil {
		return
	}
	names := map[string]string{}
	for _, v := range Variables(c) {
		names[v.field] = v.Name
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		f.add("environment", "%v", err)
		return
	}
	for _, one := range all.Errors {
		var parse env.ParseError
		if !errors.As(one, &parse) {
			f.add("environment", "%v", one)
			continue
		}
		f.add(names[parse.Name], "%s", parseFault(parse))
	}
}

// parseFault says what a value should have been.
func parseFault(e env.ParseError) string {
	switch e.Type {
	case reflect.TypeFor[time.Duration]():
		return "must be a duration such as 500ms, 30s or 24h"
	case reflect.TypeFor[bool]():
		return "must be true or false"
	case reflect.TypeFor[int](), reflect.TypeFor[int32]():
		return "must be a whole number"
	case reflect.TypeFor[float64]():
		return "must be a number"
	}
	if strings.HasPrefix(e.Err.Error(), "slog:") {
		return "must be debug, info, warn or error"
	}
	return e.Err.Error()
}

// bounds checks the `oneof`, `min` and `max` of one variable.
func (f *faults) bounds(v Variable) {
	if allowed := v.tag.Get("oneof"); allowed != "" {
		if !slices.Contains(strings.Split(allowed, ","), v.value.String()) {
			f.add(v.Name, "must be %s", strings.ReplaceAll(allowed, ",", " or "))
		}
	}
	low, high := v.tag.Get("min"), v.tag.Get("max")
	if low == "" {
		return
	}
	// Written so that NaN is out of bounds.
	if n := number(v.value); !(n >= parseNumber(low) && n <= parseNumber(high)) {
		f.add(v.Name, "must be from %s to %s", low, high)
	}
}

// number gives an integer, a float or a duration (in ns) as a float64.
func number(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// parseNumber reads a bound of a tag.
func parseNumber(s string) float64 {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return n
	}
	d, _ := time.ParseDuration(s)
	return float64(d)
}

func (f *faults) stores(c *Config, need Need) {
	if c.Database.URL == "" {
		if need&NeedDatabase != 0 {
			f.add("DATABASE_URL", "is required")
		}
	} else if !isStoreURL(c.Database.URL.Reveal(), "postgres", "postgresql") {
		f.add("DATABASE_URL", "must be a URL such as postgres://user:password@host:5432/name")
	}
	if c.Database.MigrateURL != "" && !isStoreURL(c.Database.MigrateURL.Reveal(), "postgres", "postgresql") {
		f.add("MIGRATE_DATABASE_URL", "must be a URL such as postgres://user:password@host:5432/name")
	}
	if c.Redis.URL == "" && need&NeedRedis != 0 {
		f.add("REDIS_URL", "is required")
	}
	for _, part := range c.Redis.URL.Parts() {
		if !isStoreURL(part, "redis", "rediss") {
			f.add("REDIS_URL", "must be a URL such as redis://host:6379/0 or rediss://:password@host:6379, or a comma list of them")
		}
	}
}

// isStoreURL reports a URL of one of the schemes. A host may come by a parameter of the query,
// as that of a Unix socket does.
func isStoreURL(s string, schemes ...string) bool {
	u, err := url.Parse(s)
	return err == nil && slices.Contains(schemes, u.Scheme) && (u.Host != "" || u.Query().Get("host") != "")
}

func (f *faults) accounts(c *Config, need Need) {
	if c.IsProduction() {
		if len(c.Auth.JWTSecrets) == 0 && need&NeedSecret != 0 {
			f.add("JWT_SECRET", "is required in production")
		}
		for _, secret := range c.Auth.JWTSecrets {
			if len(secret) < minSecret {
				f.add("JWT_SECRET", "must have at least %d bytes in production", minSecret)
			}
			if strings.Contains(strings.ToLower(secret.Reveal()), exampleMark) {
				f.add("JWT_SECRET", "is one of the examples, which everybody knows")
			}
		}
	}

	email, password := c.Auth.AdminEmail, c.Auth.AdminPassword.Reveal()
	switch {
	case email == "" && password == "":
		return
	case email == "":
		f.add("ADMIN_EMAIL", "is required together with ADMIN_PASSWORD")
	case password == "":
		f.add("ADMIN_PASSWORD", "is required together with ADMIN_EMAIL")
	}
	if name, domain, ok := strings.Cut(email, "@"); email != "" && (!ok || name == "" || domain == "" || strings.ContainsAny(email, " \t")) {
		f.add("ADMIN_EMAIL", "must be an email address")
	}
	if password != "" && (len(password) < 8 || len(password) > 72) {
		f.add("ADMIN_PASSWORD", "must have 8 to 72 bytes")
	}
}

func (f *faults) rest(c *Config) {
	if c.IsProduction() && c.Service.ClockOffset != 0 {
		f.add("CLOCK_OFFSET", "is not for production")
	}
	if _, err := cron.ParseStandard(c.Booking.CleanupSchedule); err != nil {
		f.add("CLEANUP_SCHEDULE", "must be five cron fields or a descriptor such as @every 30s")
	}
	if u, err := url.Parse(c.Tracing.Endpoint); c.Tracing.Endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		f.add("OTEL_EXPORTER_OTLP_ENDPOINT", "must be a URL such as http://localhost:4318")
	}
	if c.Metrics.Addr != "" {
		if _, port, err := net.SplitHostPort(c.Metrics.Addr); err != nil || port == "" {
			f.add("METRICS_ADDR", "must be host:port, or :port for all addresses")
		}
	}
	if c.WaitingRoom.Grace > 0 && c.WaitingRoom.Abandon < c.WaitingRoom.Grace {
		f.add("WAITING_ROOM_ABANDON", "must be at least WAITING_ROOM_GRACE (%s)", c.WaitingRoom.Grace)
	}
	if c.WaitingRoom.Refresh%time.Second != 0 {
		f.add("WAITING_ROOM_REFRESH_INTERVAL", "must be whole seconds")
	}
	if c.HTTP.WriteTimeout > 0 && c.Payment.Delay >= c.HTTP.WriteTimeout {
		f.add("PAYMENT_DELAY", "must be below HTTP_WRITE_TIMEOUT (%s)", c.HTTP.WriteTimeout)
	}
}
