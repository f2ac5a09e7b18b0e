package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/go-playground/validator/v10"
	"github.com/joho/godotenv"
	"github.com/robfig/cron/v3"

	"evently/internal/commonpasswords"
)

// Need is what a command requires.
type Need uint8

// The needs of commands.
const (
	NeedDatabase Need = 1 << iota
	NeedRedis
	NeedSecret // JWT_SECRET: required in production, generated in development

	NeedServe = NeedDatabase | NeedRedis | NeedSecret
)

// Environ returns the environment of the process and, for what is not set there, the variables of the `.env`
// file at path, which may be missing.
func Environ(path string) (map[string]string, error) {
	environ, err := godotenv.Read(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		environ = map[string]string{}
	case err != nil:
		return nil, fmt.Errorf("%s: must have NAME=value lines", path) // err quotes the line: it may be a secret
	}
	maps.Copy(environ, env.ToMap(os.Environ()))
	return environ, nil
}

// Load reads a Config from environ. An empty variable counts as not set. The error has one line
// "NAME: what is wrong" for each fault, and no secret.
func Load(environ map[string]string, need Need) (*Config, error) {
	set := make(map[string]string, len(environ))
	for name, value := range environ {
		if value = strings.TrimSpace(value); value != "" {
			set[name] = value
		}
	}

	c := &Config{}
	f := faults{}
	f.parse(c, set)
	for _, v := range Variables(c) {
		f.bounds(v)
	}
	f.stores(c, need)
	f.accounts(c)
	f.challenge(c)
	f.listeners(c)
	f.rest(c)
	if c.IsProduction() {
		common, err := commonpasswords.Read()
		if err != nil {
			return nil, err
		}
		f.production(c, need, common)
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	if len(c.Auth.JWTSecrets) == 0 { // in production only for a command without NeedSecret
		c.Auth.JWTSecrets = Secrets{Secret(rand.Text() + rand.Text())}
		c.Auth.Generated = true
	}
	return c, nil
}

type faults map[string]string

func (f faults) add(name, format string, args ...any) {
	if _, known := f[name]; !known {
		f[name] = fmt.Sprintf(format, args...)
	}
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f)) {
		fmt.Fprintf(&lines, "\n  %s: %s", name, f[name])
	}
	return errors.New("the configuration is not valid:" + lines.String())
}

// parse fills c. A variable that cannot be parsed keeps its zero value.
func (f faults) parse(c *Config, environ map[string]string) {
	names := map[string]string{}
	for _, v := range Variables(c) {
		names[v.field] = v.Name
	}
	err := env.ParseWithOptions(c, env.Options{Environment: environ})
	var all env.AggregateError
	if err != nil && !errors.As(err, &all) {
		f.add("environment", "%v", err)
	}
	for _, one := range all.Errors {
		var parse env.ParseError
		if errors.As(one, &parse) {
			f.add(names[parse.Name], "%s", parseFault(parse))
		} else {
			f.add("environment", "%v", one)
		}
	}
}

var validation = validator.New()

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

func (f faults) bounds(v Variable) {
	value := v.value.Interface()
	if seconds, ok := value.(Seconds); ok {
		value = seconds.Duration()
	}
	if allowed := v.tag.Get("oneof"); allowed != "" {
		if validation.Var(value, "oneof="+strings.ReplaceAll(allowed, ",", " ")) != nil {
			f.add(v.Name, "must be %s", strings.ReplaceAll(allowed, ",", " or "))
		}
	}
	if low := v.tag.Get("min"); low != "" {
		if validation.Var(value, "min="+low+",max="+v.tag.Get("max")) != nil {
			f.add(v.Name, "must be from %s", v.Bounds())
		}
	}
}

func (f faults) stores(c *Config, need Need) {
	if c.Database.URL == "" && need&NeedDatabase != 0 {
		f.add("DATABASE_URL", "is required")
	}
	if c.Redis.URL == "" && need&NeedRedis != 0 {
		f.add("REDIS_URL", "is required")
	}
	for _, store := range c.stores() {
		switch {
		case store.name == "REDIS_URL" && !isURL(store.url, "redis", "rediss"):
			f.add(store.name, "must be a URL such as redis://host:6379/0 or rediss://:password@host:6379, or a comma list of them")
		case store.name != "REDIS_URL" && !isURL(store.url, "postgres", "postgresql"):
			f.add(store.name, "must be a URL such as postgres://user:password@host:5432/name")
		}
	}
}

// namedURL is the address of a store and the variable that has it.
type namedURL struct{ name, url string }

// stores returns the addresses of all stores that are set.
func (c *Config) stores() []namedURL {
	var list []namedURL
	if c.Database.URL != "" {
		list = append(list, namedURL{"DATABASE_URL", c.Database.URL.Reveal()})
	}
	if c.Database.MigrateURL != "" {
		list = append(list, namedURL{"MIGRATE_DATABASE_URL", c.Database.MigrateURL.Reveal()})
	}
	for _, part := range c.Redis.URL.Parts() {
		list = append(list, namedURL{"REDIS_URL", part})
	}
	return list
}

// isURL reports whether s is a URL of one of the schemes with a host. That of a Unix socket is a parameter.
func isURL(s string, schemes ...string) bool {
	u, err := url.Parse(s)
	return err == nil && slices.Contains(schemes, u.Scheme) && (u.Host != "" || u.Query().Get("host") != "")
}

// production refuses what may only be in development.
func (f faults) production(c *Config, need Need, common map[string]bool) {
	if c.Service.ClockOffset != 0 {
		f.add("CLOCK_OFFSET", "must be 0 in production")
	}
	if len(c.Auth.JWTSecrets) == 0 && need&NeedSecret != 0 {
		f.add("JWT_SECRET", "is required in production")
	}
	for _, secret := range c.Auth.JWTSecrets {
		if len(secret) < minSecret {
			f.add("JWT_SECRET", "must have at least %d bytes in production", minSecret)
		}
		if why := weakness(secret.Reveal(), minSecretBits, common); why != "" {
			f.add("JWT_SECRET", "%s; use the output of: openssl rand -base64 48", why)
		}
	}
	if password := c.Auth.AdminPassword.Reveal(); password != "" {
		if why := weakness(password, minAdminBits, common); why != "" {
			f.add("ADMIN_PASSWORD", "%s", why)
		}
	}
	f.productionChallenge(c, common)
	for _, address := range c.stores() {
		if s, err := parseStore(address.url); err == nil {
			if why := s.weakness(common); why != "" {
				f.add(address.name, "its password %s", why)
			}
		}
	}
}

func (f faults) accounts(c *Config) {
	email, password := c.Auth.AdminEmail, c.Auth.AdminPassword.Reveal()
	if email == "" && password != "" {
		f.add("ADMIN_EMAIL", "is required together with ADMIN_PASSWORD")
	}
	if password == "" && email != "" {
		f.add("ADMIN_PASSWORD", "is required together with ADMIN_EMAIL")
	}
	if name, domain, ok := strings.Cut(email, "@"); email != "" && (!ok || name == "" || domain == "" || strings.ContainsAny(email, " \t")) {
		f.add("ADMIN_EMAIL", "must be an email address")
	}
	if password != "" && (len(password) < 8 || len(password) > 72) {
		f.add("ADMIN_PASSWORD", "must have 8 to 72 bytes")
	}
}

func (f faults) challenge(c *Config) {
	address, secret := c.Auth.ChallengeURL, c.Auth.ChallengeSecret
	if (address == "") != (secret == "") {
		f.add("CHALLENGE_URL", "needs CHALLENGE_SECRET, and the other way round")
	}
	if address != "" && !isURL(address, "https", "http") {
		f.add("CHALLENGE_URL", "must be a URL such as https://challenges.cloudflare.com/turnstile/v0/siteverify")
	}
}

func (f faults) productionChallenge(c *Config, common map[string]bool) {
	u, err := url.Parse(c.Auth.ChallengeURL)
	if c.Auth.ChallengeURL == "" || err != nil {
		return
	}
	if u.Scheme != "https" && !loopback(u.Hostname()) {
		f.add("CHALLENGE_URL", "must be https in production")
	}
	// Providers have secrets for tests that take every challenge for solved: they are mostly zeros.
	if why := weakness(c.Auth.ChallengeSecret.Reveal(), minStoreBits, common); why != "" && !loopback(u.Hostname()) {
		f.add("CHALLENGE_SECRET", "%s", why)
	}
}

func (f faults) listeners(c *Config) {
	if host := c.HTTP.ListenAddr; host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			f.add("LISTEN_ADDR", "must be an IP address of this machine such as 127.0.0.1 or ::1, without a port")
		}
	}
	for name, address := range map[string]string{"METRICS_ADDR": c.Metrics.Addr, "PPROF_ADDR": c.Service.PprofAddr} {
		if _, port, err := net.SplitHostPort(address); address != "" && (err != nil || port == "") {
			f.add(name, "must be host:port, or :port for all addresses")
		}
	}
}

func (f faults) rest(c *Config) {
	if _, err := cron.ParseStandard(c.Booking.CleanupSchedule); err != nil {
		f.add("CLEANUP_SCHEDULE", "must be five cron fields or a descriptor such as @every 30s")
	}
	if u, err := url.Parse(c.Tracing.Endpoint); c.Tracing.Endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		f.add("OTEL_EXPORTER_OTLP_ENDPOINT", "must be a URL such as http://localhost:4318")
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

// Variable is one variable of the environment and the field that it sets.
type Variable struct {
	Name    string
	Section string // heading in the reference
	Default string
	Example string // shown in .env.example if there is no default
	Doc     string

	field string
	tag   reflect.StructTag
	value reflect.Value
}

// Variables lists the variables of c in the order of its fields.
func Variables(c *Config) []Variable {
	var list []Variable
	config := reflect.ValueOf(c).Elem()
	for i := range config.NumField() {
		section := config.Field(i)
		for j := range section.NumField() {
			field := section.Type().Field(j)
			name, ok := field.Tag.Lookup("env")
			if !ok {
				continue
			}
			list = append(list, Variable{
				Name:    name,
				Section: config.Type().Field(i).Tag.Get("doc"),
				Default: field.Tag.Get("envDefault"),
				Example: field.Tag.Get("example"),
				Doc:     field.Tag.Get("doc"),
				field:   field.Name,
				tag:     field.Tag,
				value:   section.Field(j),
			})
		}
	}
	return list
}

// Bounds returns the range or the values of v in words, or "".
func (v Variable) Bounds() string {
	if low := v.tag.Get("min"); low != "" {
		return low + " to " + v.tag.Get("max")
	}
	return strings.ReplaceAll(v.tag.Get("oneof"), ",", ", ")
}

// LogValue returns every variable, without secrets.
func (c *Config) LogValue() slog.Value {
	variables := Variables(c)
	attrs := make([]slog.Attr, len(variables))
	for i, v := range variables {
		attrs[i] = slog.String(v.Name, fmt.Sprint(v.value.Interface()))
	}
	return slog.GroupValue(attrs...)
}
