package middleware

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"evently/internal/respond"
)

func TestEmailOf_LeavesTheBodyUnchanged(t *testing.T) {
	t.Parallel()
	broken := errors.New("the client went away")
	long := `{"email":"a@example.com","password":"` + strings.Repeat("x", 2*respond.MaxAuthBody) + `"}`
	for name, tt := range map[string]struct {
		body string
		err  error // behind the body
		want string
	}{
		"a login":              {body: `{"email":"a@example.com","password":"x"}`, want: "a@example.com"},
		"the last one wins":    {body: `{"email":"a@example.com","EMAIL":"b@example.com"}`, want: "b@example.com"},
		"empty":                {},
		"not JSON":             {body: `{"email":`},
		"trailing data":        {body: `{"email":"a@example.com"} {}`},
		"not a string":         {body: `{"email":1}`},
		"not an object":        {body: `["email"]`},
		"too long":             {body: long},
		"truncated":            {body: `{"email":"a@exa`, err: broken},
		"broken after its end": {body: `{"email":"a@example.com"}`, err: broken},
	} {
		var body io.Reader = strings.NewReader(tt.body)
		if tt.err != nil {
			body = io.MultiReader(body, iotest.ErrReader(tt.err))
		}
		r := httptest.NewRequest(http.MethodPost, "/api/v1/auth/login", body)
		if got := emailOf(r); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		after, err := io.ReadAll(r.Body)
		if string(after) != tt.body || !errors.Is(err, tt.err) {
			t.Errorf("%s: the handler reads %d bytes and %v, want %d and %v", name, len(after), err, len(tt.body), tt.err)
		}
	}
}
