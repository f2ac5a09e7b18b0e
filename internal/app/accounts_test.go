package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/testkit"
)

const mePath = "/api/v1/auth/me"

// endsWithin is how soon an ended token is refused by every instance.
const endsWithin = 5 * time.Second

// refusedOn waits until an instance refuses a token.
func (i *instance) refusedOn(t testing.TB, token string) {
	t.Helper()
	deadline := time.Now().Add(endsWithin)
	for {
		r := i.send(t, request{path: mePath, token: token})
		if r.status == http.StatusUnauthorized {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the token still gets %d after %s", r.status, endsWithin)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

func TestAccount_PasswordLogoutAndClose(t *testing.T) {
	t.Parallel()
	i := start(t)
	const email, password = "ada@example.com", "password of ada@example.com"
	token := i.register(t, email)
	me := i.send(t, request{path: mePath, token: token}).want(t, http.StatusOK, "")
	if me.text(t, "user.email") != email || me.text(t, "user.role") != "user" {
		t.Errorf("me: %s", me.raw)
	}

	change := func(token, current, replacement string) response {
		return i.send(t, request{method: http.MethodPut, path: "/api/v1/auth/password", token: token, body: map[string]any{
			"current_password": current, "new_password": replacement,
		}})
	}
	change(token, "a wrong password", "another password").want(t, http.StatusUnauthorized, "invalid_credentials")
	change(token, password, "short").want(t, http.StatusBadRequest, "validation_failed")
	renewed := change(token, password, "another password").want(t, http.StatusOK, "").text(t, "token")
	i.send(t, request{path: mePath, token: token}).want(t, http.StatusUnauthorized, "unauthorized")
	i.send(t, request{path: mePath, token: renewed}).want(t, http.StatusOK, "")

	// A login in the same second as the end of all tokens lives.
	i.send(t, request{method: http.MethodPost, path: "/api/v1/auth/logout", token: renewed}).want(t, http.StatusNoContent, "")
	again := i.login(t, email, "another password")
	i.send(t, request{path: mePath, token: renewed}).want(t, http.StatusUnauthorized, "unauthorized")
	i.send(t, request{path: mePath, token: again}).want(t, http.StatusOK, "")

	closing := func(password string) response {
		return i.send(t, request{method: http.MethodDelete, path: mePath, token: again, body: map[string]any{"password": password}})
	}
	closing(password).want(t, http.StatusUnauthorized, "invalid_credentials")
	closing("another password").want(t, http.StatusNoContent, "")
	i.send(t, request{path: mePath, token: again}).want(t, http.StatusUnauthorized, "unauthorized")
	i.send(t, request{method: http.MethodPost, path: "/api/v1/auth/login", body: map[string]any{
		"email": email, "password": "another password",
	}}).want(t, http.StatusUnauthorized, "invalid_credentials")
	i.register(t, email) // the address is free again
}

func TestAccount_BookingsToComeKeepItOpen(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	token := c.register(t, "ada@example.com")
	c.token = token
	booking := c.hold(t, c.seats[0])
	closing := request{method: http.MethodDelete, path: mePath, token: token, body: map[string]any{
		"password": "password of ada@example.com",
	}}
	r := c.send(t, closing).want(t, http.StatusConflict, "has_upcoming_bookings")
	if got := fmt.Sprint(r.member(t, "booking_ids")); got != fmt.Sprintf("[%d]", booking) {
		t.Errorf("booking_ids %s", got)
	}
	c.post(t, fmt.Sprintf("%d/cancel", booking), "", nil).want(t, http.StatusOK, "")
	c.send(t, closing).want(t, http.StatusNoContent, "")
	if left := testkit.Value[string](t, c.pool, `
		SELECT concat_ws(' ', email, email_key, password_hash, (SELECT count(*) FROM bookings WHERE bookings.user_id = users.user_id))
		FROM users
		WHERE closed_at IS NOT NULL`); strings.TrimSpace(left) != "1" {
		t.Errorf("a closed account keeps %q", left)
	}
}

func TestAccount_AdminsManageUsers(t *testing.T) {
	t.Parallel()
	i := start(t)
	admin := i.admin(t)
	ada := i.register(t, "Ada@example.com")
	i.register(t, "bob@example.com")
	users := i.send(t, request{path: "/api/v1/admin/users?email=ADA%40", token: admin}).want(t, http.StatusOK, "")
	list, _ := users.member(t, "users").([]any)
	if len(list) != 1 {
		t.Fatalf("found %s", users.raw)
	}
	one, _ := list[0].(map[string]any)
	id := one["user_id"]
	update := func(id any, body map[string]any) response {
		return i.send(t, request{method: http.MethodPut, path: fmt.Sprintf("/api/v1/admin/users/%v", id), token: admin, body: body})
	}
	update(id, map[string]any{"role": "staff"}).want(t, http.StatusOK, "")
	i.send(t, request{path: mePath, token: ada}).want(t, http.StatusUnauthorized, "unauthorized")
	ada = i.login(t, "ada@example.com", "password of Ada@example.com")
	i.send(t, request{path: "/api/v1/admin/users", token: ada}).want(t, http.StatusForbidden, "forbidden")
	update(id, map[string]any{"role": "staff"}).want(t, http.StatusOK, "") // nothing changes
	i.send(t, request{path: mePath, token: ada}).want(t, http.StatusOK, "")
	update(id, map[string]any{"blocked": true}).want(t, http.StatusOK, "")
	i.send(t, request{path: mePath, token: ada}).want(t, http.StatusUnauthorized, "unauthorized")
	login := request{method: http.MethodPost, path: "/api/v1/auth/login", body: map[string]any{
		"email": "ada@example.com", "password": "password of Ada@example.com",
	}}
	i.send(t, login).want(t, http.StatusForbidden, "account_blocked")
	update(id, map[string]any{"blocked": false}).want(t, http.StatusOK, "")
	i.send(t, login).want(t, http.StatusOK, "")
	update(id, map[string]any{}).want(t, http.StatusBadRequest, "validation_failed")
	update(id, map[string]any{"role": "king"}).want(t, http.StatusBadRequest, "validation_failed")
	update(1_000_000, map[string]any{"role": "user"}).want(t, http.StatusNotFound, "user_not_found")
	me := i.send(t, request{path: mePath, token: admin}).want(t, http.StatusOK, "").id(t, "user.user_id")
	update(me, map[string]any{"role": "user"}).want(t, http.StatusConflict, "last_admin")
	update(me, map[string]any{"blocked": true}).want(t, http.StatusConflict, "last_admin")
	i.send(t, request{method: http.MethodDelete, path: mePath, token: admin, body: map[string]any{
		"password": "admin-password",
	}}).want(t, http.StatusConflict, "last_admin")
}

// Two admins demote each other at once: one of them stays.
func TestAccount_OneAdminStays(t *testing.T) {
	t.Parallel()
	i := start(t)
	tokens := [2]string{i.admin(t)}
	other, err := i.Services().Auth.Create(t.Context(), "root2@example.com", "another admin's password", domain.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	tokens[1] = i.login(t, "root2@example.com", "another admin's password")
	ids := [2]int64{i.send(t, request{path: mePath, token: tokens[0]}).id(t, "user.user_id"), other.ID}
	var statuses [2]int
	done := make(chan struct{})
	for n := range 2 {
		go func() {
			defer func() { done <- struct{}{} }()
			statuses[n] = i.send(t, request{
				method: http.MethodPut, path: fmt.Sprintf("/api/v1/admin/users/%d", ids[1-n]), token: tokens[n],
				body: map[string]any{"role": "user"},
			}).status
		}()
	}
	<-done
	<-done
	pool := testkit.Connect(t, i.cfg.Database.URL.Reveal())
	if n := testkit.Value[int](t, pool, `SELECT count(*) FROM users WHERE role = 'admin'`); n != 1 {
		t.Errorf("%d admins are left after %v", n, statuses)
	}
}

func TestAccount_EndedTokenIsRefusedByEveryInstance(t *testing.T) {
	t.Parallel()
	gate, redisURL := newProxy(t, testkit.RedisURL(t))
	first := start(t, "REDIS_URL="+redisURL)
	instances := []*instance{first, startWith(t, first.cfg), startWith(t, first.cfg)}
	for _, step := range []struct {
		what   string
		before func()
	}{
		{"redis.there", func() {}},
		{"redis.flushed", func() { flushRedis(t, redisURL) }},
		{"redis.gone", func() { gate.set(refusing) }},
	} {
		step.before()
		token := first.register(t, step.what+"@example.com")
		for _, i := range instances {
			i.send(t, request{path: mePath, token: token}).want(t, http.StatusOK, "")
		}
		first.send(t, request{method: http.MethodPost, path: "/api/v1/auth/logout", token: token}).want(t, http.StatusNoContent, "")
		for _, i := range instances {
			i.refusedOn(t, token)
		}
	}
}

func TestAccount_StreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	token := b.register(t, "ada@example.com")
	stream := b.events(t, token)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for stream.Scan() { // until the stream ends
		}
	}()
	b.send(t, request{method: http.MethodPost, path: "/api/v1/auth/logout", token: token}).want(t, http.StatusNoContent, "")
	select {
	case <-ended:
	case <-time.After(endsWithin):
		t.Errorf("the stream is open %s after its token ended", endsWithin)
	}
}

func flushRedis(t testing.TB, url string) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	if err := client.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// A long body is read by the limit and by the handler alike.
func TestLogin_PaddedBodyCounts(t *testing.T) {
	t.Parallel()
	i := openBoxOffice(t)
	padding := strings.Repeat(" ", respond.MaxAuthBody-len(`{"email":"nobody@example.com","password":"a guess"}`))
	body := `{"email":"nobody@example.com","password":"a guess"` + padding + `}`
	i.send(t, request{method: http.MethodPost, path: "/api/v1/auth/login", body: body}).
		want(t, http.StatusUnauthorized, "invalid_credentials")
	keys, err := i.redis(t).Keys(t.Context(), "rate_limit:{email:*:failures").Result()
	if err != nil || len(keys) != 1 {
		t.Errorf("%d budgets of wrong passwords, %v", len(keys), err)
	}
}

// Two administrators, of whom one was promoted while closing the account.
func TestAccount_ClosingKeepsAnAdmin(t *testing.T) {
	t.Parallel()
	i := start(t)
	store := i.Services().Store
	accounts := i.Services().Accounts
	user, err := i.Services().Auth.Register(t.Context(), "ada@example.com", "password of ada")
	if err != nil {
		t.Fatal(err)
	}
	admin := domain.RoleAdmin
	lock, err := i.Services().Auth.Create(t.Context(), "root@example.com", "password of root", admin)
	if err != nil {
		t.Fatal(err)
	}
	promoted := make(chan error, 1)
	err = store.InTx(t.Context(), func(ctx context.Context) error { // makes the closing wait behind its check of the password
		if _, err := store.LoadUser(ctx, user.User.ID); err != nil {
			return err
		}
		closed := make(chan error, 1)
		go func() { closed <- accounts.Close(t.Context(), user.User.ID, "password of ada") }()
		go func() { promoted <- <-closed }()
		pool := testkit.Connect(t, i.cfg.Database.URL.Reveal())
		eventually(t, "the closing to wait", func() bool {
			return testkit.Value[bool](t, pool, `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		})
		store.SaveUser(ctx, domain.User{ID: user.User.ID, Role: admin, PasswordHash: user.User.PasswordHash, Epoch: 1})
		store.SaveUser(ctx, domain.User{ID: lock.ID, Role: domain.RoleUser, PasswordHash: lock.PasswordHash, Epoch: 1})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-promoted; !errors.Is(err, domain.ErrLastAdmin) {
		t.Errorf("closing the account of the only admin: %v", err)
	}
}

func TestLock_ClosedAccountHoldsNothing(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	for what, sql := range map[string]string{
		"closed":  `UPDATE users SET closed_at = now(), email = '', email_key = NULL, password_hash = '' WHERE user_id = $1`,
		"blocked": `UPDATE users SET blocked_at = now() WHERE user_id = $1`,
	} {
		user := b.user(t)
		identity, err := b.Services().Tokens.Verify(user)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Exec(t, b.pool, sql, identity.UserID) // by another instance, a moment ago
		if got := b.lock(t, user, b.seats[0]); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %s", what, got.raw)
		}
	}
}
