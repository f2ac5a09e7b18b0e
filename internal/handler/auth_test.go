package handler_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/bcrypt"

	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/repository"
	"evently/internal/respond"
	"evently/internal/service"
	"evently/internal/testkit"
)

type authAPI struct {
	router http.Handler
	tokens *service.Tokens
	pool   *pgxpool.Pool
}

func setupAuth(t *testing.T) authAPI {
	t.Helper()
	pool := testkit.Pool(t)
	passwords, err := service.NewPasswords(service.PasswordsConfig{Cost: bcrypt.MinCost, MaxWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := service.NewTokens(service.TokensConfig{Secrets: []string{"a secret of thirty-two bytes, or more"}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	store := repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
	auth := handler.NewAuth(service.NewAuth(store, tokens, passwords, nil), nil, func(string) string { return "hash" })
	log := slog.New(slog.DiscardHandler)
	router := chi.NewRouter()
	router.Use(documented(t, "/api/v1"))
	router.Post("/auth/register", respond.Adapt(log, auth.Register))
	router.Post("/auth/login", respond.Adapt(log, auth.Login))
	return authAPI{router: router, tokens: tokens, pool: pool}
}

func (a authAPI) post(path, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	w.Header().Set(respond.RequestIDHeader, "request-1")
	a.router.ServeHTTP(w, r)
	return w
}

// authBody has all the members of responses of /auth.
type authBody struct {
	Token string `json:"token"`
	User  struct {
		UserID    int64     `json:"user_id"`
		Email     string    `json:"email"`
		Role      string    `json:"role"`
		CreatedAt time.Time `json:"created_at"`
	} `json:"user"`
	Message   string   `json:"message"`
	Code      string   `json:"code"`
	RequestID string   `json:"request_id"`
	Details   []string `json:"details"`
}

func readAuth(t *testing.T, w *httptest.ResponseRecorder) authBody {
	t.Helper()
	var body authBody
	decoder := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return body
}

func TestAuth_RespondsWithATokenAndTheUser(t *testing.T) {
	t.Parallel()
	api := setupAuth(t)
	var users []any
	for _, call := range []struct {
		path, body string
		status     int
	}{
		{"/auth/register", `{"email":"Jo@Example.com","password":"correct horse","role":"user"}`, http.StatusCreated},
		{"/auth/login", `{"email":"jo@example.com","password":"correct horse"}`, http.StatusOK},
		{"/auth/login", `{"email":" jo@example.com\n","password":"correct horse"}`, http.StatusOK},
	} {
		w := api.post(call.path, "application/json", call.body)
		if w.Code != call.status {
			t.Fatalf("%s: %d %s, want %d", call.path, w.Code, w.Body, call.status)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q, want no-store", call.path, got)
		}
		if strings.Contains(w.Body.String(), "$2a$") || strings.Contains(w.Body.String(), "correct horse") {
			t.Errorf("%s: the response has the password: %s", call.path, w.Body)
		}
		body := readAuth(t, w)
		if body.User.UserID <= 0 || body.User.Email != "Jo@Example.com" || body.User.Role != "user" || body.User.CreatedAt.IsZero() {
			t.Errorf("%s: user %+v", call.path, body.User)
		}
		users = append(users, body.User)
		identity, err := api.tokens.Verify(body.Token)
		want := domain.Identity{UserID: body.User.UserID, Email: "Jo@Example.com", Role: domain.RoleUser}
		identity.Expires = time.Time{}
		if err != nil || identity != want {
			t.Errorf("%s: the token is for %+v, %v", call.path, identity, err)
		}
	}
	if diff := cmp.Diff(users[0], users[1]); diff != "" {
		t.Errorf("registered and logged in (-registered +logged in):\n%s", diff)
	}
}

func TestRegister_OneOfConcurrentRegistrationsWins(t *testing.T) {
	t.Parallel()
	api := setupAuth(t)
	spellings := []string{"jo@example.com", "Jo@Example.com", "JO@EXAMPLE.COM", "jO@example.COM"}
	var requests sync.WaitGroup
	responses := make([]*httptest.ResponseRecorder, 20)
	for i := range responses {
		requests.Go(func() {
			responses[i] = api.post("/auth/register", "application/json",
				`{"email":"`+spellings[i%len(spellings)]+`","password":"correct horse"}`)
		})
	}
	requests.Wait()

	got := map[int]int{}
	for _, w := range responses {
		got[w.Code]++
		if body := readAuth(t, w); w.Code == http.StatusConflict && body.Code != "email_taken" {
			t.Errorf("409 with %s", w.Body)
		}
	}
	if diff := cmp.Diff(map[int]int{http.StatusCreated: 1, http.StatusConflict: 19}, got); diff != "" {
		t.Errorf("responses by status (-want +got):\n%s", diff)
	}
	if n := testkit.Value[int](t, api.pool, `SELECT count(*) FROM users`); n != 1 {
		t.Errorf("%d accounts, want 1", n)
	}
}

func TestAuth_InvalidRequests(t *testing.T) {
	t.Parallel()
	api := setupAuth(t)
	if w := api.post("/auth/register", "application/json", `{"email":"jo@example.com","password":"correct horse"}`); w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	const register, login = "/auth/register", "/auth/login"
	input := func(email, password string) string {
		body, err := json.Marshal(map[string]string{"email": email, "password": password})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	const good = `"email":"al@example.com","password":"correct horse"`
	for name, tt := range map[string]struct {
		path, body string
		status     int
		code       string
		details    []string
	}{
		"role admin":            {register, `{` + good + `,"role":"admin"}`, 403, "admin_registration_forbidden", nil},
		"another role":          {register, `{` + good + `,"role":"owner"}`, 400, "validation_failed", []string{"role: must be: user"}},
		"an empty role":         {register, `{` + good + `,"role":""}`, 400, "validation_failed", []string{"role: must be: user"}},
		"a role of wrong type":  {register, `{` + good + `,"role":1}`, 400, "validation_failed", []string{"role: must be a string"}},
		"nothing":               {register, `{}`, 400, "validation_failed", []string{"email: is required", "password: is required"}},
		"nulls":                 {register, `{"email":null,"password":null}`, 400, "validation_failed", []string{"email: is required", "password: is required"}},
		"bad email, short":      {register, input("jo", "seven c"), 400, "validation_failed", []string{"email: must be an email address", "password: must have 8 to 72 bytes"}},
		"four letters, 7 bytes": {register, input("al@example.com", "éééx"), 400, "validation_failed", []string{"password: must have 8 to 72 bytes"}},
		"37 letters, 74 bytes":  {register, input("al@example.com", strings.Repeat("é", 37)), 400, "validation_failed", []string{"password: must have 8 to 72 bytes"}},
		"zero-width space":      {register, input("al\u200b@example.com", "correct horse"), 400, "validation_failed", []string{"email: must be an email address"}},
		"NUL in the password":   {register, input("al@example.com", "correct\x00horse"), 400, "validation_failed", []string{"password: must not have a NUL"}},
		"NUL in the email":      {register, input("al\x00@example.com", "correct horse"), 400, "validation_failed", []string{"email: must be an email address"}},
		"255 characters":        {register, input(strings.Repeat("a", 60)+"@"+strings.Repeat("b.", 95)+"cccc", "correct horse"), 400, "validation_failed", []string{"email: must be an email address"}},
		"taken":                 {register, input("JO@example.com", "another horse"), 409, "email_taken", nil},
		"taken, with a space":   {register, input("jo@example.com ", "another horse"), 409, "email_taken", nil},
		"SQL":                   {register, input("jo'--@example.com';", "correct horse"), 400, "validation_failed", []string{"email: must be an email address"}},
		"unknown field":         {register, `{` + good + `,"is_admin":true}`, 400, "unknown_field", []string{"is_admin: unknown field"}},
		"email of wrong type":   {register, `{"email":["al@example.com"],"password":"correct horse"}`, 400, "validation_failed", []string{"email: must be a string"}},
		"not JSON":              {register, `email=al@example.com`, 400, "invalid_json", nil},
		"truncated":             {register, `{` + good, 400, "invalid_json", nil},
		"trailing data":         {register, `{` + good + `}{}`, 400, "invalid_json", nil},
		"empty":                 {register, ``, 400, "invalid_json", nil},
		"too large":             {register, input("al@example.com", strings.Repeat("x", 64<<10)), 413, "body_too_large", nil},

		"login: wrong password":       {login, input("jo@example.com", "wrong horse"), 401, "invalid_credentials", nil},
		"login: unknown email":        {login, input("al@example.com", "correct horse"), 401, "invalid_credentials", nil},
		"login: a short password":     {login, input("jo@example.com", "x"), 401, "invalid_credentials", nil},
		"login: a long password":      {login, input("jo@example.com", strings.Repeat("x", 1000)), 401, "invalid_credentials", nil},
		"login: not an email":         {login, input("jo", "correct horse"), 401, "invalid_credentials", nil},
		"login: NUL in the email":     {login, input("jo\x00@example.com", "correct horse"), 401, "invalid_credentials", nil},
		"login: NUL in the password":  {login, input("jo@example.com", "correct horse\x00correct horse"), 401, "invalid_credentials", nil},
		"login: SQL":                  {login, input("' OR '1'='1", "' OR '1'='1"), 401, "invalid_credentials", nil},
		"login: a pattern":            {login, input("%@example.com", "correct horse"), 401, "invalid_credentials", nil},
		"login: no password":          {login, `{"email":"jo@example.com"}`, 400, "validation_failed", []string{"password: is required"}},
		"login: an empty password":    {login, input("jo@example.com", ""), 400, "validation_failed", []string{"password: is required"}},
		"login: no email":             {login, `{"password":"correct horse"}`, 400, "validation_failed", []string{"email: is required"}},
		"login: unknown field":        {login, `{` + good + `,"role":"admin"}`, 400, "unknown_field", []string{"role: unknown field"}},
		"login: password as a number": {login, `{"email":"jo@example.com","password":12345678}`, 400, "validation_failed", []string{"password: must be a string"}},
		"login: too large":            {login, input("jo@example.com", strings.Repeat("x", 64<<10)), 413, "body_too_large", nil},
	} {
		w := api.post(tt.path, "application/json", tt.body)
		body := readAuth(t, w)
		if w.Code != tt.status || body.Code != tt.code {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, body.Code, tt.status, tt.code)
		}
		if body.Message == "" || body.RequestID != "request-1" || body.Token != "" {
			t.Errorf("%s: not the standard shape: %s", name, w.Body)
		}
		if diff := cmp.Diff(tt.details, body.Details); diff != "" {
			t.Errorf("%s: details (-want +got):\n%s", name, diff)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (challenge == "Bearer") != (tt.status == http.StatusUnauthorized) {
			t.Errorf("%s: WWW-Authenticate %q", name, challenge)
		}
	}
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"} {
		w := api.post(login, contentType, input("jo@example.com", "correct horse"))
		if body := readAuth(t, w); w.Code != http.StatusUnsupportedMediaType || body.Code != "unsupported_media_type" {
			t.Errorf("Content-Type %q: %d %s", contentType, w.Code, w.Body)
		}
	}
	if n := testkit.Value[int](t, api.pool, `SELECT count(*) FROM users`); n != 1 {
		t.Errorf("%d accounts, want 1", n)
	}
}

func TestLogin_UnknownEmailAndWrongPasswordAreTheSame(t *testing.T) {
	t.Parallel()
	api := setupAuth(t)
	if w := api.post("/auth/register", "application/json", `{"email":"jo@example.com","password":"correct horse"}`); w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wrong := api.post("/auth/login", "application/json", `{"email":"jo@example.com","password":"wrong horse"}`)
	unknown := api.post("/auth/login", "application/json", `{"email":"al@example.com","password":"wrong horse"}`)
	if diff := cmp.Diff(wrong.Body.String(), unknown.Body.String()); diff != "" {
		t.Errorf("bodies (-wrong password +unknown email):\n%s", diff)
	}
	if diff := cmp.Diff(wrong.Header(), unknown.Header()); diff != "" {
		t.Errorf("headers (-wrong password +unknown email):\n%s", diff)
	}
}
