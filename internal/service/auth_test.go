package service_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/bcrypt"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/service"
	"evently/internal/testkit"
)

type authFixture struct {
	auth   *service.Auth
	tokens *service.Tokens
	work   *service.Work
	store  *repository.Store
	pool   *pgxpool.Pool
}

func setupAuth(t *testing.T) authFixture {
	t.Helper()
	pool := testkit.Pool(t)
	store := repository.New(pool, repository.Options{})
	passwords := newPasswords(t, service.PasswordsConfig{})
	tokens := newTokens(t, time.Now(), tokenSecret)
	return authFixture{
		auth:   service.NewAuth(store, tokens, passwords, nil),
		tokens: tokens,
		work:   service.Observe(passwords),
		store:  store,
		pool:   pool,
	}
}

// another returns the Auth of another instance, with another bcrypt cost.
func (f authFixture) another(t *testing.T, cost int) *service.Auth {
	t.Helper()
	passwords := newPasswords(t, service.PasswordsConfig{Cost: cost})
	return service.NewAuth(f.store, f.tokens, passwords, nil)
}

func (f authFixture) hashOf(t *testing.T, email string) string {
	t.Helper()
	return testkit.Value[string](t, f.pool, `SELECT password_hash FROM users WHERE email = $1`, email)
}

func TestLogin_RegisteredUserInAnySpellingOfTheEmail(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	registered, err := f.auth.Register(t.Context(), " Jo\u0308@Example.com\t", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	want := domain.User{Email: "J\u00f6@Example.com", Role: domain.RoleUser}
	ignored := cmpopts.IgnoreFields(domain.User{}, "ID", "PasswordHash", "CreatedAt")
	if diff := cmp.Diff(want, registered.User, ignored); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	if hash := f.hashOf(t, "J\u00f6@Example.com"); strings.Contains(hash, "correct horse") || !strings.HasPrefix(hash, "$2a$") {
		t.Errorf("the password is stored as %q", hash)
	}
	for _, email := range []string{"J\u00f6@Example.com", "j\u00f6@example.com", "JO\u0308@EXAMPLE.COM", "j\u00f6@example.com ", "\tj\u00f6@example.com"} {
		session, err := f.auth.Login(t.Context(), email, "correct horse")
		if err != nil {
			t.Fatalf("login as %s: %v", email, err)
		}
		if diff := cmp.Diff(registered.User, session.User); diff != "" {
			t.Errorf("user who logged in as %s (-want +got):\n%s", email, diff)
		}
		identity, err := f.tokens.Verify(session.Token)
		if err != nil || identity.UserID != registered.User.ID {
			t.Errorf("the token is that of %+v, %v", identity, err)
		}
	}
}

func TestRegister_ErrorNamesEveryFault(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	_, err := f.auth.Register(t.Context(), "jo", "short")
	var coded *domain.Error
	if !errors.As(err, &coded) || !errors.Is(err, domain.ErrValidation) {
		t.Fatalf("%v, want validation_failed", err)
	}
	want := []string{"email: must be an email address", "password: must have 8 to 72 bytes"}
	if diff := cmp.Diff(want, coded.Details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	// Logs and the command line show err.Error() without the details.
	if !strings.Contains(err.Error(), "8 to 72 bytes") {
		t.Errorf("the error %q does not name the fault", err)
	}
}

func TestLogin_EveryRefusalDoesTheSameWork(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	if _, err := f.auth.Register(t.Context(), "jo@example.com", "correct horse"); err != nil {
		t.Fatal(err)
	}
	testkit.Exec(t, f.pool, `INSERT INTO users (email, email_key, password_hash) VALUES ('locked@example.com', 'locked@example.com', '!')`)
	for name, login := range map[string]struct{ email, password string }{
		"wrong password":       {"jo@example.com", "wrong horse"},
		"too short a password": {"jo@example.com", "x"},
		"too long a password":  {"jo@example.com", strings.Repeat("x", 5000)},
		"NUL in the password":  {"jo@example.com", "correct horse\x00correct horse"},
		"unknown email":        {"joe@example.com", "correct horse"},
		"what is no email":     {"jo", "correct horse"},
		"a NUL in the email":   {"jo\x00@example.com", "correct horse"},
		"a huge email":         {strings.Repeat("x", 50000) + "@example.com", "correct horse"},
		"no usable hash":       {"locked@example.com", "!"},
	} {
		hashes, comparisons := f.work.Hashes.Load(), f.work.Comparisons.Load()
		session, err := f.auth.Login(t.Context(), login.email, login.password)
		if !errors.Is(err, domain.ErrInvalidCredentials) || session.Token != "" {
			t.Errorf("%s: %v, want invalid_credentials", name, err)
		}
		var coded *domain.Error
		if errors.As(err, &coded) && coded != domain.ErrInvalidCredentials {
			t.Errorf("%s: %+v carries more than the others do", name, coded)
		}
		if got := f.work.Comparisons.Load() - comparisons; got != 1 {
			t.Errorf("%s: %d comparisons, want 1", name, got)
		}
		if got := f.work.Hashes.Load() - hashes; got != 0 {
			t.Errorf("%s: %d further hashes, want none", name, got)
		}
		if got := f.work.Cost.Load(); got != int64(bcrypt.MinCost) {
			t.Errorf("%s: compared at cost %d, want %d", name, got, bcrypt.MinCost)
		}
	}
}

func TestLogin_HashOfAnotherCostIsRenewed(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	if _, err := f.another(t, bcrypt.MinCost+1).Register(t.Context(), "jo@example.com", "correct horse"); err != nil {
		t.Fatal(err)
	}
	old := f.hashOf(t, "jo@example.com")
	if _, err := f.auth.Login(t.Context(), "jo@example.com", "wrong horse"); !errors.Is(err, domain.ErrInvalidCredentials) {
		t.Fatal(err)
	}
	if f.hashOf(t, "jo@example.com") != old {
		t.Error("a wrong password changed the hash")
	}
	for range 2 { // the second login finds the new hash
		if _, err := f.auth.Login(t.Context(), "jo@example.com", "correct horse"); err != nil {
			t.Fatal(err)
		}
	}
	cost, err := bcrypt.Cost([]byte(f.hashOf(t, "jo@example.com")))
	if err != nil || cost != bcrypt.MinCost {
		t.Errorf("cost %d, %v; want %d", cost, err, bcrypt.MinCost)
	}
	if got := f.work.Hashes.Load(); got != 1 {
		t.Errorf("%d hashes were made, want 1", got)
	}
}

func TestCreate_ExistingAccountIsUnchanged(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	admin, err := f.auth.Create(t.Context(), "root@example.com", "correct horse", domain.RoleAdmin)
	if err != nil || admin.Role != domain.RoleAdmin {
		t.Fatalf("%+v, %v", admin, err)
	}
	session, err := f.auth.Login(t.Context(), "root@example.com", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if identity, err := f.tokens.Verify(session.Token); err != nil || identity.Role != domain.RoleAdmin {
		t.Errorf("identity %+v, %v; want an admin", identity, err)
	}

	before := f.hashOf(t, "root@example.com")
	if _, err := f.auth.Create(t.Context(), "ROOT@example.com", "another horse", domain.RoleAdmin); !errors.Is(err, domain.ErrEmailTaken) {
		t.Errorf("a second time: %v, want email_taken", err)
	}
	if f.hashOf(t, "root@example.com") != before {
		t.Error("the refused call changed the password")
	}
	if _, err := f.auth.Create(t.Context(), "root2@example.com", "11 bytes...", domain.RoleAdmin); !errors.Is(err, domain.ErrValidation) {
		t.Errorf("a short password: %v, want validation_failed", err)
	}
}

func TestEnsureAdmin_CreatesTheAccountAndReplacesThePassword(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	ensure := func(email, password string) error {
		warning, err := f.auth.EnsureAdmin(t.Context(), email, password)
		if warning != "" {
			t.Errorf("warned: %s", warning)
		}
		return err
	}
	login := func(password string) error {
		_, err := f.auth.Login(t.Context(), "root@example.com", password)
		return err
	}
	if err := ensure("root@example.com", "first password"); err != nil {
		t.Fatal(err)
	}
	if err := login("first password"); err != nil {
		t.Errorf("after the first start: %v", err)
	}
	before := f.hashOf(t, "root@example.com")
	if err := ensure("Root@example.com", "first password"); err != nil {
		t.Fatal(err)
	}
	if f.hashOf(t, "root@example.com") != before {
		t.Error("the same password changed the account")
	}
	if err := ensure("root@example.com", "second password"); err != nil {
		t.Fatal(err)
	}
	if err := login("second password"); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	if err := login("first password"); !errors.Is(err, domain.ErrInvalidCredentials) {
		t.Errorf("with the old password: %v, want invalid_credentials", err)
	}
	if err := ensure("root", "second password"); !errors.Is(err, domain.ErrValidation) {
		t.Errorf("with no email: %v, want validation_failed", err)
	}
	if err := ensure("root@example.com", "short"); !errors.Is(err, domain.ErrValidation) {
		t.Errorf("with a short password: %v, want validation_failed", err)
	}
}

func TestEnsureAdmin_UserIsNotPromoted(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	if _, err := f.auth.Register(t.Context(), "root@example.com", "password of the user"); err != nil {
		t.Fatal(err)
	}
	before := f.hashOf(t, "root@example.com")
	for _, password := range []string{"password of the admin", "password of the user"} {
		warning, err := f.auth.EnsureAdmin(t.Context(), "root@example.com", password)
		if err != nil || !strings.Contains(warning, "evently admin promote") {
			t.Errorf("%q, %v; want the way to promote", warning, err)
		}
	}
	if f.hashOf(t, "root@example.com") != before {
		t.Error("the password of a user was changed")
	}
	if role := testkit.Value[string](t, f.pool, `SELECT role::text FROM users`); role != "user" {
		t.Errorf("the role is %s", role)
	}
}

func TestEnsureAdmin_ConcurrentInstancesAgree(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	for _, password := range []string{"first password", "second password"} { // made, then changed
		var starts sync.WaitGroup
		for range 8 {
			instance := f.another(t, bcrypt.MinCost)
			starts.Go(func() {
				if _, err := instance.EnsureAdmin(t.Context(), "root@example.com", password); err != nil {
					t.Error(err)
				}
			})
		}
		starts.Wait()
		if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM users WHERE role = 'admin'`); n != 1 {
			t.Errorf("%d admins, want 1", n)
		}
		if _, err := f.auth.Login(t.Context(), "root@example.com", password); err != nil {
			t.Errorf("login with the %s: %v", password, err)
		}
	}
}

func TestEnsureAdmin_ShortPasswordOfBeforeIsAWarning(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	user, err := f.auth.Register(t.Context(), "root@example.com", "8 bytes.")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Exec(t, f.pool, `UPDATE users SET role = 'admin' WHERE user_id = $1`, user.User.ID)
	warning, err := f.auth.EnsureAdmin(t.Context(), "root@example.com", "8 bytes.")
	if err != nil || !strings.Contains(warning, "12 bytes") {
		t.Errorf("%q, %v; want a warning", warning, err)
	}
	if _, err := f.auth.EnsureAdmin(t.Context(), "root@example.com", "9 bytes.."); !errors.Is(err, domain.ErrValidation) {
		t.Errorf("another short password: %v, want validation_failed", err)
	}
}
