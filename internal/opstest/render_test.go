package opstest

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"evently/internal/config"
	"evently/internal/domain"
	"evently/internal/middleware"
)

type renderService struct {
	Type, Name, Runtime string
	DockerfilePath      string          `yaml:"dockerfilePath"`
	HealthCheckPath     string          `yaml:"healthCheckPath"`
	PreDeployCommand    string          `yaml:"preDeployCommand"`
	MaxShutdownDelay    int             `yaml:"maxShutdownDelaySeconds"`
	EnvVars             []renderSetting `yaml:"envVars"`
	IPAllowList         *[]any          `yaml:"ipAllowList"`
}

type renderSetting struct {
	Key, Value  string
	Sync        *bool
	Generate    bool                                   `yaml:"generateValue"`
	FromService *struct{ Type, Name, Property string } `yaml:"fromService"`
}

// secret tells that nothing of the value is in the file.
func (s renderSetting) secret() bool {
	return s.Value == "" && (s.Generate || s.FromService != nil || s.Sync != nil && !*s.Sync)
}

func TestRenderBlueprint(t *testing.T) {
	t.Parallel()
	var blueprint struct{ Services []renderService }
	if err := yaml.Unmarshal([]byte(readFile(t, "render.yaml")), &blueprint); err != nil {
		t.Fatal(err)
	}
	services := map[string]renderService{}
	for _, s := range blueprint.Services {
		services[s.Name] = s
	}
	web := services["evently"]
	if web.Type != "web" || web.Runtime != "docker" || web.HealthCheckPath != "/health/live" {
		t.Errorf("the web service is %+v", web)
	}
	readFile(t, web.DockerfilePath)

	// The image has no shell, so the command is the binary where the image has it.
	image := readDockerfile(t)[1]
	_, binary, _ := strings.Cut(strings.TrimPrefix(image.one(t, "COPY"), "--from=build "), " ")
	if web.PreDeployCommand != binary+" migrate up" {
		t.Errorf("the pre-deploy command is %q, and the binary is at %s", web.PreDeployCommand, binary)
	}

	environ := map[string]string{}
	for _, setting := range web.EnvVars {
		environ[setting.Key] = setting.Value
		if from := setting.FromService; from != nil {
			target, ok := services[from.Name]
			if !ok || target.Type != from.Type || from.Type != "keyvalue" || from.Property != "connectionString" {
				t.Errorf("%s comes from %+v, which is not there", setting.Key, *from)
			}
			if target.IPAllowList == nil || len(*target.IPAllowList) > 0 {
				t.Errorf("%s is open to the internet", from.Name)
			}
		}
	}
	for _, setting := range web.EnvVars {
		switch setting.Key {
		case "DATABASE_URL", "MIGRATE_DATABASE_URL", "REDIS_URL", "JWT_SECRET", "ADMIN_EMAIL", "ADMIN_PASSWORD":
			if !setting.secret() {
				t.Errorf("%s is written down in the repository", setting.Key)
			}
		}
	}

	// With what a person fills in, the service starts.
	for name, value := range map[string]string{
		"DATABASE_URL":         "postgres://u:" + rand.Text() + "@ep-x-pooler.eu-central-1.aws.neon.tech/evently?sslmode=require&default_query_exec_mode=exec",
		"MIGRATE_DATABASE_URL": "postgres://u:" + rand.Text() + "@ep-x.eu-central-1.aws.neon.tech/evently?sslmode=require",
		"REDIS_URL":            "redis://red-x:6379", "JWT_SECRET": rand.Text() + rand.Text(),
		"ADMIN_EMAIL": "admin@example.com", "ADMIN_PASSWORD": rand.Text(), "CORS_ALLOWED_ORIGINS": "",
	} {
		if old, listed := environ[name]; !listed || old != "" {
			t.Errorf("%s is not asked for", name)
		}
		environ[name] = value
	}
	known := knownVariables()
	for name := range environ {
		if !known[name] {
			t.Errorf("%s is no setting of Evently", name)
		}
	}
	cfg, err := config.Load(environ, config.NeedServe)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.OutcomesAllowed() || cfg.HTTP.HSTSMaxAge == 0 {
		t.Error("the outcome of payments can be chosen, or browsers may use HTTP")
	}
	checkRenderClients(t, cfg)
	if !cfg.IsProduction() || cfg.Database.MigrateOnStart {
		t.Error("want production, and migrations by the pre-deploy command alone")
	}
	if stop := cfg.Service.DrainDelay + cfg.Service.ShutdownTimeout; float64(web.MaxShutdownDelay) <= stop.Seconds() {
		t.Errorf("Render kills after %d s, and stopping may take %s", web.MaxShutdownDelay, stop)
	}
}

// checkRenderClients finds the clients of requests as Render's proxy forwards them.
func checkRenderClients(t *testing.T, cfg *config.Config) {
	t.Helper()
	tests := map[string]struct{ forwarded, want string }{
		"through Cloudflare":            {"99.61.165.29, 104.22.17.40", "99.61.165.29"},
		"through Cloudflare by IPv6":    {"2001:db8::7, 2606:4700:10::6816:1128", "2001:db8::7"},
		"claims another address":        {"6.6.6.6, 99.61.165.29, 104.22.17.40", "99.61.165.29"},
		"around Cloudflare":             {"198.51.100.9", "198.51.100.9"},
		"around it, claims to be in":    {"6.6.6.6, 104.22.17.40, 198.51.100.9", "198.51.100.9"},
		"from a Worker at Cloudflare":   {"6.6.6.6, 2a06:98c0:3600::103, 162.158.1.1", "2a06:98c0:3600::103"},
		"from Render's private network": {"10.0.0.9", "10.0.0.9"},
	}
	for name, tt := range tests {
		var got string
		h := middleware.Identify(middleware.Clients{
			Proxies: cfg.HTTP.TrustedProxies, Header: cfg.HTTP.ClientIPHeader, Log: slog.New(slog.DiscardHandler),
		})(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = domain.RequestFrom(r.Context()).ClientAddr.String()
		}))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = "10.21.157.68:41234"
		r.Header.Set("X-Forwarded-For", tt.forwarded)
		r.Header.Set("CF-Connecting-IP", "6.6.6.6") // by the client, if it gets around Cloudflare
		if h.ServeHTTP(httptest.NewRecorder(), r); got != tt.want {
			t.Errorf("%s: the client is %s, want %s", name, got, tt.want)
		}
	}
}

// knownVariables gives the names of all settings.
func knownVariables() map[string]bool {
	known := map[string]bool{}
	for _, v := range config.Variables(&config.Config{}) {
		known[v.Name] = true
	}
	return known
}
