package app_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"evently/internal/domain"
	"evently/internal/middleware"
	"evently/internal/respond"
	"evently/internal/testkit"
)

const replayed = "Idempotency-Replayed"

// same fails the test unless again is first, given again.
func same(t *testing.T, first, again response) {
	t.Helper()
	if first.header.Get(replayed) != "" {
		t.Errorf("the first answer says %s", replayed)
	}
	if again.status != first.status || !bytes.Equal(again.raw, first.raw) || again.header.Get(replayed) != "true" {
		t.Errorf("the first was told %d %s, the repeat %d %s (%s: %q)",
			first.status, first.raw, again.status, again.raw, replayed, again.header.Get(replayed))
	}
	if a, b := first.header.Get("Content-Type"), again.header.Get("Content-Type"); a != b {
		t.Errorf("Content-Type %q, and again %q", a, b)
	}
}

func TestARepeatIsToldTheSameByteForByte(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	lock := c.lockBody(c.seats[:2]...)
	first := c.post(t, "lock", "l", lock).want(t, http.StatusOK, "")
	same(t, first, c.post(t, "lock", "l", lock))
	booking := bookingOf(first)

	pay := payBody(booking, 900, "")
	first = c.post(t, "payments/simulate", "p", payBody(booking, 900, "success")).want(t, http.StatusOK, "")
	same(t, first, c.post(t, "payments/simulate", "p", payBody(booking, 900, "success")))
	c.post(t, "payments/simulate", "p", pay).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")

	first = c.post(t, bookingPath(booking, "confirm"), "c", nil).want(t, http.StatusOK, "")
	same(t, first, c.post(t, bookingPath(booking, "confirm"), "c", nil))

	first = c.post(t, bookingPath(booking, "cancel"), "c", nil).want(t, http.StatusOK, "")
	if first.body["refund"] == nil {
		t.Errorf("no refund in %s", first.raw)
	}
	same(t, first, c.post(t, bookingPath(booking, "cancel"), "c", nil))
	// The seats are somebody else's by now, and still the repeat is told what it was told first.
	same(t, c.post(t, "lock", "l2", lock).want(t, http.StatusOK, ""), c.post(t, "lock", "l2", lock))
	if n := testkit.Value[int](t, c.pool, `SELECT count(*) FROM bookings`); n != 2 {
		t.Errorf("%d bookings, want 2", n)
	}
	c.audit(t)
}

func TestAKeyIsOfOneUserRouteAndRequest(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	other := c.customer(t)
	const key = "the same key"

	first := c.post(t, "lock", key, c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	// Another user's is another key.
	second := other.post(t, "lock", key, c.lockBody(c.seats[1])).want(t, http.StatusOK, "")
	if bookingOf(first) == bookingOf(second) {
		t.Error("two users were given one booking")
	}
	// The same request in other words is another request: only the bytes tell.
	c.post(t, "lock", key, c.lockBody(c.seats[2])).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	c.post(t, "lock", key, fmt.Sprintf(`{"seat_ids":[%d], "show_id":%d}`, c.seats[0], c.show)).
		want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	// Another route's is another key.
	booking := bookingOf(first)
	c.post(t, "payments/simulate", key, payBody(booking, 450, "success")).want(t, http.StatusOK, "")
	c.post(t, bookingPath(booking, "confirm"), key, nil).want(t, http.StatusOK, "")
	c.post(t, bookingPath(booking, "cancel"), key, nil).want(t, http.StatusOK, "")
	// Another booking is another path of the same route.
	third := c.hold(t, c.seats[3])
	c.post(t, bookingPath(third, "cancel"), key, nil).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	c.audit(t)
}

func TestWhileTheFirstRunsARepeatIsInProgress(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	unlock := c.lockRow(t, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, c.seats[0])
	first := c.inBackground(t, c.posting("lock", "k", c.lockBody(c.seats[0])))
	c.blocked(t, 1)
	answer := c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusConflict, "idempotency_in_progress")
	if answer.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	c.post(t, "lock", "k", c.lockBody(c.seats[1])).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	unlock()
	same(t, (<-first).want(t, http.StatusOK, ""), c.post(t, "lock", "k", c.lockBody(c.seats[0])))
}

func TestTwentyAtOnceWithOneKeyAreOneBooking(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	const n = 20
	var answers [n]<-chan response
	for i := range answers {
		answers[i] = c.inBackground(t, c.posting("lock", "k", c.lockBody(c.seats[0])))
	}
	told := map[string]bool{}
	first := 0
	for _, answer := range answers {
		r := <-answer
		if r.status == http.StatusConflict && r.code() == "idempotency_in_progress" {
			continue
		}
		told[string(r.want(t, http.StatusOK, "").raw)] = true
		if r.header.Get(replayed) == "" {
			first++
		}
	}
	if len(told) != 1 || first != 1 {
		t.Errorf("%d different answers, %d of them first", len(told), first)
	}
	if n := testkit.Value[int](t, c.pool, `SELECT count(*) FROM bookings`); n != 1 {
		t.Errorf("%d bookings", n)
	}
}

// Errors that another try would get again are kept, even when the state has moved on.
func TestErrorsThatAreFinalAreKept(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	unpaid, held, over := c.hold(t, c.seats[0]), c.hold(t, c.seats[1]), c.hold(t, c.seats[2])
	testkit.Expire(t, c.pool, over)
	tests := []struct {
		name, path string
		body       any
		status     int
		code       string
	}{
		{"402 declined", "payments/simulate", payBody(held, 450, "decline"), 402, "payment_declined"},
		{"402 unpaid", bookingPath(unpaid, "confirm"), nil, 402, "payment_required"},
		{"400 amount", "payments/simulate", payBody(held, 451, "success"), 400, "amount_mismatch"},
		{"400 decoding", "lock", `{"show_id":`, 400, "invalid_json"},
		{"404", bookingPath(1<<40, "confirm"), nil, 404, "booking_not_found"},
		{"410", bookingPath(over, "confirm"), nil, 410, "hold_expired"},
		{"409", bookingPath(over, "cancel"), nil, 409, "booking_already_cancelled"},
	}
	answers := make([]response, len(tests))
	for i, tt := range tests {
		answers[i] = c.post(t, tt.path, tt.name, tt.body).want(t, tt.status, tt.code)
	}
	c.pay(t, unpaid, 1)
	c.pay(t, held, 1)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { same(t, answers[i], c.post(t, tt.path, tt.name, tt.body)) })
	}
	c.audit(t)
}

func TestWhatIsNotFinalIsNotKept(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, "DATABASE_QUERY_TIMEOUT=1s")
	t.Run("seats_unavailable", func(t *testing.T) {
		t.Parallel()
		taken := c.hold(t, c.seats[0])
		c.post(t, "lock", "taken", c.lockBody(c.seats[0])).want(t, http.StatusConflict, "seats_unavailable")
		c.post(t, bookingPath(taken, "cancel"), "", nil).want(t, http.StatusOK, "")
		answer := c.post(t, "lock", "taken", c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
		if answer.header.Get(replayed) != "" {
			t.Error("replayed")
		}
	})
	t.Run("5xx", func(t *testing.T) {
		t.Parallel()
		unlock := c.lockRow(t, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, c.seats[1])
		c.post(t, "lock", "slow", c.lockBody(c.seats[1])).want(t, http.StatusServiceUnavailable, "database_unavailable")
		unlock()
		c.post(t, "lock", "slow", c.lockBody(c.seats[1])).want(t, http.StatusOK, "")
	})
	// Nothing behind these routes is rate limited by itself: the middleware is asked alone.
	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			user := testkit.NewUser(t, c.pool)
			for range 2 {
				w := c.behindMiddleware(t, user, "/bookings/lock", "k", "{}", func(w http.ResponseWriter, _ *http.Request) {
					respond.Raw(w, status, []byte(`{}`))
				})
				if w.Code != status || w.Header().Get(replayed) != "" {
					t.Errorf("%d, %s %q", w.Code, replayed, w.Header().Get(replayed))
				}
			}
		})
	}
}

// behindMiddleware posts to a handler of the test's own that stands behind the middleware and over
// the use cases of the instance.
func (c customer) behindMiddleware(t *testing.T, user int64, path, key, body string, handler http.HandlerFunc) *httptest.ResponseRecorder {
	t.Helper()
	router := chi.NewRouter()
	router.Route("/api/v1", func(r chi.Router) {
		r.With(middleware.Idempotent(c.Services().Idempotency, slog.New(slog.DiscardHandler))).Post(path, handler)
	})
	r := httptest.NewRequest(http.MethodPost, "/api/v1"+path, strings.NewReader(body))
	r.Header.Set("Idempotency-Key", key)
	r = r.WithContext(domain.WithIdentity(r.Context(), domain.Identity{UserID: user, Role: domain.RoleUser}))
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	return w
}
