package app_test

import (
	"crypto/rand"
	"net"
	"net/http"
	"strings"
	"testing"
)

// production returns the settings of an instance in production, changed by settings NAME=value.
func production(settings ...string) []string {
	return append([]string{"APP_ENV=production", "JWT_SECRET=" + rand.Text() + rand.Text()}, settings...)
}

// warnings returns the messages of the warnings that i has logged.
func (i *instance) warnings(t *testing.T) string {
	t.Helper()
	var messages []string
	for _, line := range i.logged(t, "") {
		if message, ok := line["msg"].(string); ok && line["level"] == "WARN" {
			messages = append(messages, message)
		}
	}
	return strings.Join(messages, "\n")
}

func TestPay_OutcomeIsNotChosenInProduction(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		settings []string
		status   int
		code     string
	}{
		"production":            {production(), http.StatusBadRequest, "outcome_not_allowed"},
		"production allowed":    {production("PAYMENT_SIMULATED_OUTCOMES=true"), http.StatusOK, ""},
		"development":           {nil, http.StatusOK, ""},
		"development forbidden": {[]string{"PAYMENT_SIMULATED_OUTCOMES=false"}, http.StatusBadRequest, "outcome_not_allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := openBoxOffice(t, append(tt.settings, "PAYMENT_SUCCESS_RATE=1", "PAYMENT_DELAY=1ms")...)
			user := b.user(t)
			booking := b.hold(t, user, b.seats[0])
			b.pay(t, user, booking, 450).want(t, tt.status, tt.code)
			b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/payments/simulate", token: user,
				body: map[string]any{"booking_id": booking, "amount": 450}}).want(t, http.StatusOK, "")
		})
	}
}

func TestStart_ProductionWarnsOfAPoolThatTheServerCannotFill(t *testing.T) {
	t.Parallel()
	for connections, want := range map[string]int{"1000": 1, "4": 0} {
		i := start(t, production("DATABASE_MAX_CONNS="+connections)...)
		if got := strings.Count(i.warnings(t), "DATABASE_MAX_CONNS is too large"); got != want {
			t.Errorf("%s connections: %d warnings, want %d", connections, got, want)
		}
	}
}

func TestStart_ProductionWarnsOfWhatIsOpen(t *testing.T) {
	t.Parallel()
	i := start(t, production("TRUSTED_PROXIES=0.0.0.0/0", "CORS_ALLOWED_ORIGINS=*", "AUTH_RATE_LIMIT_PER_MINUTE=0")...)
	got := i.warnings(t)
	for _, want := range []string{"payments are simulated", "TRUSTED_PROXIES has 0.0.0.0/0", "CORS_ALLOWED_ORIGINS is *", "AUTH_RATE_LIMIT_PER_MINUTE is 0"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%q is not there once in\n%s", want, got)
		}
	}
	if got := start(t, "CORS_ALLOWED_ORIGINS=*").warnings(t); strings.Contains(got, "CORS") || strings.Contains(got, "simulated") {
		t.Errorf("development warns:\n%s", got)
	}
}

func TestHealth_NamesThePaymentProvider(t *testing.T) {
	t.Parallel()
	if got := start(t).send(t, request{path: "/health"}).want(t, http.StatusOK, "").text(t, "payment_provider"); got != "simulated" {
		t.Errorf("payment_provider is %q", got)
	}
}

func TestStart_ListensOnTheAddressOfTheConfiguration(t *testing.T) {
	t.Parallel()
	for setting, everywhere := range map[string]bool{"": true, "LISTEN_ADDR=127.0.0.1": false} {
		addr, ok := start(t, setting).Addr().(*net.TCPAddr)
		if !ok || addr.IP.IsUnspecified() != everywhere || addr.IP.IsLoopback() == everywhere {
			t.Errorf("%q: listens on %v", setting, addr)
		}
	}
}

func TestHeaders_HSTSByConfiguration(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{"": "", "HSTS_MAX_AGE=8760h": "max-age=31536000"} {
		i := start(t, setting)
		for _, path := range []string{"/api-docs/", "/nope"} {
			if got := i.send(t, request{path: path}).header.Get("Strict-Transport-Security"); got != want {
				t.Errorf("%q: %s has %q, want %q", setting, path, got, want)
			}
		}
	}
}

func TestDocs_ProductionDoesNotKeepTheToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		settings []string
		want     string
	}{
		"production":  {production(), "persistAuthorization: false"},
		"development": {nil, "persistAuthorization: true"},
	} {
		page := string(start(t, tt.settings...).send(t, request{path: "/api-docs/"}).raw)
		if !strings.Contains(strings.Join(strings.Fields(page), " "), tt.want) {
			t.Errorf("%s: the page lacks %s", name, tt.want)
		}
	}
}
