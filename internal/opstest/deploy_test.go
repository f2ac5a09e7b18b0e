package opstest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.yaml.in/yaml/v3"

	"evently/internal/config"
	"evently/internal/service"
	"evently/internal/telemetry"
	"evently/internal/testkit"
)

// metricNames gives every metric that an instance has, with the suffixes of histograms.
func metricNames(t *testing.T) map[string]bool {
	t.Helper()
	m := telemetry.NewMetrics(telemetry.Build{})
	m.WatchPostgres(testkit.Pool(t).Stat)
	m.WatchRedis(func() *redis.PoolStats { return &redis.PoolStats{} }, func(context.Context) error { return nil })
	m.WatchRooms(func(context.Context) (int64, int64, error) { return 0, 0, nil })
	m.WatchQueue(func() (telemetry.Queue, error) { return telemetry.Queue{}, nil })
	// A metric with labels is there from its first event on.
	m.RequestBegan()
	m.RequestEnded(http.MethodGet, "/", http.StatusOK, 0, false)
	m.SeatLock(service.LockRedis, service.LockWon)
	m.Payment(service.PaymentSucceeded)
	m.RedisBreaker("closed")
	m.JobRan("x", "ok", 0, 0)

	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	names := map[string]bool{"up": true} // made by Prometheus itself
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(w.Body.String(), -1) {
		names[match[1]] = true
		if match[2] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[match[1]+suffix] = true
			}
		}
	}
	return names
}

var (
	// quoted and labels are what an expression has beside metrics and functions.
	quoted   = regexp.MustCompile(`"[^"]*"`)
	selector = regexp.MustCompile(`\{[^}]*\}`)
	grouping = regexp.MustCompile(`\b(by|on|without|ignoring) \([^)]*\)`)
	ranges   = regexp.MustCompile(`\[[^\]]*\]`)
	word     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
)

// functions are those that our expressions use.
var functions = []string{"sum", "min", "max", "count", "rate", "increase", "histogram_quantile", "topk", "by", "on", "and"}

// metricsOf gives the metrics of a PromQL expression.
func metricsOf(expression string) []string {
	for _, noise := range []*regexp.Regexp{quoted, selector, grouping, ranges} {
		expression = noise.ReplaceAllString(expression, " ")
	}
	return slices.DeleteFunc(word.FindAllString(expression, -1), func(w string) bool { return slices.Contains(functions, w) })
}

type alertRule struct {
	Alert, Expr, For string
	Labels           map[string]string
	Annotations      map[string]string
}

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alertRule }
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "deploy/prometheus/alerts.yml")), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) == 0 {
		t.Fatal("no rules")
	}
	return file.Groups[0].Rules
}

// expressions gives every PromQL expression under deploy/ and where it is.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, rule := range alertRules(t) {
		found["alert "+rule.Alert] = rule.Expr
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "deploy/grafana/evently.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("the panel %s shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			found["panel "+panel.Title+" "+target.RefID] = target.Expr
		}
	}
	return found
}

func TestRulesAndDashboardKnowTheMetrics(t *testing.T) {
	t.Parallel()
	names := metricNames(t)
	used := map[string]bool{}
	for where, expression := range expressions(t) {
		metrics := metricsOf(expression)
		if len(metrics) == 0 {
			t.Errorf("%s has no metric: %s", where, expression)
		}
		for _, name := range metrics {
			used[name] = true
			if !names[name] {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
		for _, pair := range []string{"()", "[]", "{}"} {
			if strings.Count(expression, pair[:1]) != strings.Count(expression, pair[1:]) {
				t.Errorf("%s: unbalanced %s in %s", where, pair, expression)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		family := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if strings.HasPrefix(name, "evently_") && !used[name] && !used[family] && !used[family+"_bucket"] {
			t.Errorf("nobody looks at %s: put it on the dashboard or drop it", name)
		}
	}
}

func TestMetricsOf(t *testing.T) {
	t.Parallel()
	got := metricsOf(`histogram_quantile(0.9, sum by (le) (rate(a_bucket{x="y{",z=~"5.."}[5m]))) > 1 and on (instance) b >= 2`)
	if !slices.Equal(got, []string{"a_bucket", "b"}) {
		t.Errorf("%q", got)
	}
}

// promtool understands PromQL for certain. `make test` fetches it where there is Debian; without it
// the test above is what there is.
func TestRulesWithPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if promtool, err = filepath.Abs(filepath.Join(root, ".bin", "promtool")); err == nil {
			_, err = os.Stat(promtool)
		}
	}
	if err != nil {
		t.Log("NOT CHECKED: there is no promtool; names and brackets were checked without it")
		return
	}
	for _, args := range [][]string{
		{"check", "rules", "alerts.yml"},
		{"check", "config", "prometheus.yml"},
		{"check", "rules", dashboardRules(t)},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = filepath.Join(root, "deploy/prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// dashboardRules writes the dashboard's expressions as recording rules, which promtool can read.
func dashboardRules(t *testing.T) string {
	t.Helper()
	type rule struct{ Record, Expr string }
	var rules []rule
	for where, expression := range expressions(t) {
		if strings.HasPrefix(where, "panel ") {
			rules = append(rules, rule{
				Record: "panel:" + regexp.MustCompile(`[^a-zA-Z0-9]+`).ReplaceAllString(where, "_"),
				Expr:   strings.ReplaceAll(expression, "$__rate_interval", "1m"),
			})
		}
	}
	content, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEveryAlertHasASectionInTheRunbook(t *testing.T) {
	t.Parallel()
	runbook := readFile(t, "docs/operations.md")
	for _, rule := range alertRules(t) {
		if want := "docs/operations.md#" + strings.ToLower(rule.Alert); rule.Annotations["runbook"] != want {
			t.Errorf("%s points to %q, want %q", rule.Alert, rule.Annotations["runbook"], want)
		}
		if !strings.Contains(runbook, "\n### "+rule.Alert+"\n") {
			t.Errorf("the runbook has no section %s", rule.Alert)
		}
		if severity := rule.Labels["severity"]; severity != "page" && severity != "ticket" {
			t.Errorf("%s has the severity %q", rule.Alert, severity)
		}
		if rule.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", rule.Alert)
		}
		if _, err := time.ParseDuration(rule.For); rule.For != "" && err != nil {
			t.Errorf("%s: for: %v", rule.Alert, err)
		}
	}
	for _, match := range regexp.MustCompile(`(?m)^### (Evently\w+)$`).FindAllStringSubmatch(runbook, -1) {
		if !slices.ContainsFunc(alertRules(t), func(r alertRule) bool { return r.Alert == match[1] }) {
			t.Errorf("the runbook explains %s, which is no alert", match[1])
		}
	}
}

type composeService struct {
	Image       string
	Command     []string
	Environment map[string]string
	EnvFile     string `yaml:"env_file"`
	ReadOnly    bool   `yaml:"read_only"`
	Volumes     []string
	Networks    composeNetworks
	Healthcheck struct {
		Test    []string
		Disable bool
	}
	DependsOn map[string]struct{ Condition string } `yaml:"depends_on"`
}

// composeNetworks are the networks of a service and its fixed address in each, if it has one.
type composeNetworks map[string]string

// UnmarshalYAML reads the list of names and the map with addresses.
func (n *composeNetworks) UnmarshalYAML(node *yaml.Node) error {
	*n = composeNetworks{}
	var names []string
	if node.Decode(&names) == nil {
		for _, name := range names {
			(*n)[name] = ""
		}
		return nil
	}
	var settings map[string]struct {
		Address string `yaml:"ipv4_address"`
	}
	if err := node.Decode(&settings); err != nil {
		return err
	}
	for name, s := range settings {
		(*n)[name] = s.Address
	}
	return nil
}

func TestCompose(t *testing.T) {
	t.Parallel()
	var compose struct {
		Services map[string]composeService
		Networks map[string]any
		Volumes  map[string]any
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "deploy/docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "valkey", "migrate", "evently-1", "evently-2", "proxy"} {
		if _, ok := compose.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
	// nginx asks for the addresses of the instances once, when it starts: an instance that is made
	// anew by an update must come back at its own.
	for _, name := range []string{"evently-1", "evently-2"} {
		if compose.Services[name].Networks["inside"] == "" {
			t.Errorf("%s has no fixed address: the proxy loses it with the next update", name)
		}
	}
	known := knownVariables()
	for name, s := range compose.Services {
		if len(s.Healthcheck.Test) == 0 && !s.Healthcheck.Disable && name != "prometheus" {
			t.Errorf("%s has no health check", name)
		}
		for needed, how := range s.DependsOn {
			other, ok := compose.Services[needed]
			if !ok {
				t.Errorf("%s needs %s, which is not there", name, needed)
			}
			if how.Condition == "service_healthy" && len(other.Healthcheck.Test) == 0 {
				t.Errorf("%s waits for the health of %s, which nobody checks", name, needed)
			}
		}
		for network := range s.Networks {
			if _, ok := compose.Networks[network]; !ok {
				t.Errorf("%s is in the network %s, which is not there", name, network)
			}
		}
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if file, local := strings.CutPrefix(from, "./"); local {
				if _, err := os.Stat(filepath.Join(root, "deploy", file)); err != nil {
					t.Error(err)
				}
			} else if _, ok := compose.Volumes[from]; !ok {
				t.Errorf("%s mounts %s, which is not there", name, from)
			}
		}
		if s.Image != "evently" {
			continue
		}
		if !s.ReadOnly {
			t.Errorf("%s may write into its root", name)
		}
		environ := dotenv(t, "deploy/"+s.EnvFile+".example")
		maps.Copy(environ, s.Environment)
		for variable := range environ {
			if !known[variable] {
				t.Errorf("%s: %s is no setting of Evently", name, variable)
			}
		}
		if _, err := config.Load(environ, config.NeedServe); err == nil || !strings.Contains(err.Error(), "JWT_SECRET") {
			t.Errorf("%s starts with the secret of the example: %v", name, err)
		}
		if _, err := config.Load(environ, config.NeedServe); err == nil || !strings.Contains(err.Error(), "ADMIN_PASSWORD") {
			t.Errorf("%s starts with the password of the example: %v", name, err)
		}
		environ["JWT_SECRET"], environ["ADMIN_PASSWORD"] = rand.Text()+rand.Text(), rand.Text()
		environ["DATABASE_URL"] = strings.ReplaceAll(environ["DATABASE_URL"], "${EVENTLY_DB_PASSWORD:?set it in deploy/.env or the shell}", rand.Text())
		cfg, err := config.Load(environ, config.NeedServe)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if cfg.HTTP.HSTSMaxAge == 0 {
			t.Errorf("%s lets browsers use HTTP", name)
		}
		for _, target := range []string{"evently-1", "evently-2"} {
			_, port, _ := strings.Cut(cfg.Metrics.Addr, ":")
			if !strings.Contains(readFile(t, "deploy/prometheus/prometheus.yml"), target+":"+port) {
				t.Errorf("Prometheus does not look at %s:%s", target, port)
			}
			if !strings.Contains(readFile(t, "deploy/nginx.conf"), "server "+target+":3000 ") {
				t.Errorf("the proxy does not know %s", target)
			}
		}
	}
}

// dotenv reads NAME=value lines.
func dotenv(t *testing.T, name string) map[string]string {
	t.Helper()
	set := map[string]string{}
	for line := range strings.Lines(readFile(t, name)) {
		if variable, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			set[variable] = value
		}
	}
	return set
}

func TestTheProxyLetsEventStreamsThrough(t *testing.T) {
	t.Parallel()
	conf := readFile(t, "deploy/nginx.conf")
	if strings.Count(conf, "{") != strings.Count(conf, "}") {
		t.Error("unbalanced braces")
	}
	_, stream, ok := strings.Cut(conf, "location ~ ")
	if !ok {
		t.Fatal("event streams have no location of their own")
	}
	pattern, _, _ := strings.Cut(stream, " {")
	if !regexp.MustCompile(pattern).MatchString("/api/v1/waiting-room/17/events") {
		t.Errorf("%s is not the route", pattern)
	}
	for _, want := range []string{"proxy_buffering off;", "gzip off;", "proxy_read_timeout 1h;"} {
		if !strings.Contains(stream, want) {
			t.Errorf("event streams lack %s", want)
		}
	}
}

func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	unit := readFile(t, "deploy/systemd/evently.service")
	for _, want := range []string{
		"ExecStart=/usr/local/bin/evently serve", "DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict",
		"PrivateTmp=yes", "CapabilityBoundingSet=\n", "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit lacks %s", want)
		}
	}
	known := knownVariables()
	for _, match := range regexp.MustCompile(`(?m)^Environment=(.*)$`).FindAllStringSubmatch(unit, -1) {
		for setting := range strings.FieldsSeq(match[1]) {
			if name, _, _ := strings.Cut(setting, "="); !known[name] && name != "GOGC" && name != "GOMEMLIMIT" {
				t.Errorf("%s is not a setting of Evently", name)
			}
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("NOT CHECKED: there is no systemd-analyze")
		return
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", filepath.Join(root, "deploy/systemd/evently.service")).CombinedOutput()
	// The binary is not installed here; anything else is a fault of the unit.
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "evently.service") && !strings.Contains(line, "is not executable") {
			t.Errorf("systemd-analyze (%v): %s", err, line)
		}
	}
}
