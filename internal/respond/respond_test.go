package respond_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/respond"
)

// serve returns the response of a handler that fails with err, and the log.
func serve(t *testing.T, err error) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r = r.WithContext(domain.WithRequest(r.Context(), &domain.Request{ID: "r1"}))
	w := httptest.NewRecorder()
	respond.Adapt(log, func(http.ResponseWriter, *http.Request) error { return err })(w, r)
	return w, logged.String()
}

func TestError_Shape(t *testing.T) {
	t.Parallel()
	w, _ := serve(t, fmt.Errorf("wrapped: %w",
		domain.ErrSeatsUnavailable.With("failed_seats", []int64{2, 1}).With("a", `"<>"`).WithDetails("seat_ids: why")))
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"message": "Some seats are no longer available", "code": "seats_unavailable", "request_id": "r1",
		"details": []any{"seat_ids: why"}, "failed_seats": []any{2.0, 1.0}, "a": `"<>"`,
	}
	if diff := cmp.Diff(want, got); w.Code != http.StatusConflict || diff != "" {
		t.Errorf("%d (-want +got):\n%s", w.Code, diff)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestError_ServerErrorsAreLoggedAndHidden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		level  string
	}{
		{errors.New("private"), 500, "ERROR"},
		{domain.ErrInternal.WithCause(errors.New("private")), 500, "ERROR"},
		{domain.ErrDatabaseUnavailable.WithCause(errors.New("private")), 503, "WARN"},
		{domain.ErrShowNotFound.WithCause(errors.New("private")), 404, ""},
	} {
		w, logged := serve(t, tt.err)
		if w.Code != tt.status || strings.Contains(w.Body.String(), "private") {
			t.Errorf("%v: %d %s", tt.err, w.Code, w.Body)
		}
		if tt.level == "" && logged != "" || tt.level != "" && (!strings.Contains(logged, tt.level) || !strings.Contains(logged, "private")) {
			t.Errorf("%v: logged %q, want level %q with the cause", tt.err, logged, tt.level)
		}
	}
}

func TestError_Headers(t *testing.T) {
	t.Parallel()
	w, _ := serve(t, domain.ErrRateLimited.WithRetryAfter(1100*time.Millisecond))
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q, want 2: rounded up", got)
	}
	w, _ = serve(t, domain.ErrTokenExpired)
	if got := w.Header().Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate %q", got)
	}
}

func TestError_ClientGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	respond.Error(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody), slog.New(slog.DiscardHandler),
		fmt.Errorf("query: %w", context.Canceled))
	if w.Code != 499 || w.Body.Len() > 0 {
		t.Errorf("%d %s, want 499 without a body", w.Code, w.Body)
	}
}

func TestErrorBody_IsWhatErrorWrites(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		domain.ErrPaymentDeclined.With("error", "no money"), errors.New("private"), domain.ErrValidation.WithDetails("a: b"),
	} {
		w, _ := serve(t, err)
		status, body := respond.ErrorBody(domain.WithRequest(t.Context(), &domain.Request{ID: "r1"}), err)
		if status != w.Code || string(body) != w.Body.String() {
			t.Errorf("%v: %d %s, but Error writes %d %s", err, status, body, w.Code, w.Body)
		}
	}
}

func TestErrorBody_FieldThatCannotBeEncodedIsAnInternalError(t *testing.T) {
	t.Parallel()
	status, body := respond.ErrorBody(t.Context(), domain.ErrForbidden.With("a", func() {}))
	if status != http.StatusInternalServerError || !strings.Contains(string(body), `"code":"internal"`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestJSON_ValueThatCannotBeEncodedWritesNothing(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := respond.JSON(w, http.StatusOK, func() {}); !errors.Is(err, domain.ErrInternal) || w.Body.Len() > 0 {
		t.Errorf("%v, wrote %s", err, w.Body)
	}
}
