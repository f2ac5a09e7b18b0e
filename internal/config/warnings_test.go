package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evently/internal/config"
)

// closed is an environment that opens nothing.
func closed(changes ...string) map[string]string {
	return valid(append([]string{"DATABASE_URL=postgres://evently:" + storePassword + "@db.example.com/evently?sslmode=verify-full"}, changes...)...)
}

func TestWarnings_OneForEachSettingThatOpensSomething(t *testing.T) {
	t.Parallel()
	database := "DATABASE_URL=postgres://evently:" + storePassword
	tests := map[string]struct {
		changes []string
		want    []string // beginnings
	}{
		"nothing is open":            {nil, nil},
		"everybody is a proxy":       {[]string{"TRUSTED_PROXIES=0.0.0.0/0,::/0"}, []string{"TRUSTED_PROXIES has 0.0.0.0/0", "TRUSTED_PROXIES has ::/0"}},
		"half of the world is":       {[]string{"TRUSTED_PROXIES=128.0.0.0/1,2000::/3"}, []string{"TRUSTED_PROXIES has 128.0.0.0/1", "TRUSTED_PROXIES has 2000::/3"}},
		"networks are":               {[]string{"TRUSTED_PROXIES=10.0.0.0/8,fc00::/7,2a06:98c0::/29"}, nil},
		"header of nobody":           {[]string{"CLIENT_IP_HEADER=CF-Connecting-IP"}, []string{"CLIENT_IP_HEADER is believed from nobody"}},
		"header of a proxy":          {[]string{"CLIENT_IP_HEADER=CF-Connecting-IP", "TRUSTED_PROXIES=10.0.0.0/8"}, nil},
		"all origins":                {[]string{"CORS_ALLOWED_ORIGINS=*"}, []string{"CORS_ALLOWED_ORIGINS is *"}},
		"metrics and profiles":       {[]string{"METRICS_ADDR=:9090", "PPROF_ADDR=192.0.2.1:6060"}, []string{"METRICS_ADDR is not a loopback", "PPROF_ADDR is not a loopback"}},
		"metrics and profiles here":  {[]string{"METRICS_ADDR=localhost:9090", "PPROF_ADDR=[::1]:6060"}, nil},
		"no limits":                  {[]string{"RATE_LIMIT_PER_MINUTE=0", "BOOKING_RATE_LIMIT_PER_MINUTE=0", "AUTH_RATE_LIMIT_PER_MINUTE=0"}, []string{"RATE_LIMIT_PER_MINUTE is 0", "BOOKING_RATE_LIMIT_PER_MINUTE is 0", "AUTH_RATE_LIMIT_PER_MINUTE is 0"}},
		"no limits of networks":      {[]string{"NETWORK_RATE_LIMIT_PER_MINUTE=0", "SEARCH_RATE_LIMIT_PER_MINUTE=0"}, []string{"NETWORK_RATE_LIMIT_PER_MINUTE is 0", "SEARCH_RATE_LIMIT_PER_MINUTE is 0"}},
		"outcomes":                   {[]string{"PAYMENT_SIMULATED_OUTCOMES=true"}, []string{"PAYMENT_SIMULATED_OUTCOMES is true"}},
		"no TLS to the database":     {[]string{database + "@db/evently?sslmode=disable"}, []string{"DATABASE_URL has an sslmode"}},
		"TLS may be left out":        {[]string{database + "@db/evently"}, []string{"DATABASE_URL has an sslmode"}},
		"no TLS on this machine":     {[]string{database + "@127.0.0.1/evently?sslmode=disable"}, nil},
		"no TLS for migrations":      {[]string{"MIGRATE_" + database + "@db/evently?sslmode=prefer"}, []string{"MIGRATE_DATABASE_URL has an sslmode"}},
		"no TLS to a public Redis":   {[]string{"REDIS_URL=redis://:" + storePassword + "@redis.example.com:6379"}, []string{"REDIS_URL is redis://"}},
		"no TLS to a public address": {[]string{"REDIS_URL=redis://:" + storePassword + "@203.0.113.9:6379"}, []string{"REDIS_URL is redis://"}},
		"TLS to a public Redis":      {[]string{"REDIS_URL=rediss://:" + storePassword + "@redis.example.com:6379"}, nil},
		"private Redis":              {[]string{"REDIS_URL=redis://:" + storePassword + "@10.0.0.7:6379"}, nil},
		"no passwords": {
			[]string{"DATABASE_URL=postgres://evently@localhost/evently", "REDIS_URL=redis://a:6379,redis://b:6379"},
			[]string{"DATABASE_URL has no password", "REDIS_URL has no password"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Load(closed(tt.changes...), config.NeedServe)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			simulated := false
			for _, w := range c.Warnings() {
				if strings.Contains(w, storePassword) {
					t.Errorf("a password is in %q", w)
				}
				if strings.HasPrefix(w, "payments are simulated") {
					simulated = true
					continue
				}
				got = append(got, w)
			}
			if !simulated {
				t.Error("no warning that payments are simulated")
			}
			beginnings := cmp.Comparer(func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) })
			if diff := cmp.Diff(tt.want, got, beginnings); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarnings_DevelopmentHasOnlyThoseOfNoEffect(t *testing.T) {
	t.Parallel()
	c, err := config.Load(closed("APP_ENV=development", "CORS_ALLOWED_ORIGINS=*", "RATE_LIMIT_PER_MINUTE=0", "CLIENT_IP_HEADER=X-Real-IP"), config.NeedServe)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], "CLIENT_IP_HEADER") {
		t.Errorf("warnings %q", w)
	}
}
