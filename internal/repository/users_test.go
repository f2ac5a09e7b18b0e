package repository_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/testkit"
)

func TestUsers_EmailIsComparedByItsKey(t *testing.T) {
	t.Parallel()
	store := repository.New(testkit.Pool(t), repository.Options{})
	for _, role := range []domain.Role{domain.RoleUser, domain.RoleAdmin} {
		created, err := store.CreateUser(t.Context(), string(role)+"%_ö@Example.com", "hash", role)
		if err != nil {
			t.Fatal(err)
		}
		if created.ID <= 0 || created.CreatedAt.IsZero() || created.Role != role || created.PasswordHash != "hash" {
			t.Errorf("created %+v", created)
		}
		found, err := store.UserByEmail(t.Context(), string(role)+"%_Ö@eXAMPLE.com")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(created, found); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
		if _, err := store.CreateUser(t.Context(), string(role)+"%_O\u0308@example.com", "other", role); !errors.Is(err, domain.ErrEmailTaken) {
			t.Errorf("a second account: %v, want email_taken", err)
		}
	}
	if _, err := store.UserByEmail(t.Context(), "%@example.com"); !errors.Is(err, domain.ErrUserNotFound) {
		t.Errorf("a pattern for an email: %v, want user_not_found", err)
	}
}

func TestReplacePasswordHash_OnlyIfItIsStillTheOldOne(t *testing.T) {
	t.Parallel()
	store := repository.New(testkit.Pool(t), repository.Options{})
	user, err := store.CreateUser(t.Context(), "jo@example.com", "first", domain.RoleUser)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		id               int64
		old, replacement string
		want             bool
	}{
		{user.ID, "wrong", "second", false},
		{user.ID + 1, "first", "second", false},
		{user.ID, "first", "second", true},
		{user.ID, "first", "third", false},
	} {
		got, err := store.ReplacePasswordHash(t.Context(), step.id, step.old, step.replacement)
		if err != nil || got != step.want {
			t.Errorf("%+v: %v, %v", step, got, err)
		}
	}
	if found, err := store.UserByEmail(t.Context(), "jo@example.com"); err != nil || found.PasswordHash != "second" {
		t.Errorf("the hash is %q, %v", found.PasswordHash, err)
	}
}

// failures keeps the errors of statements: PostgreSQL logs each of them with its details.
type failures struct {
	mu     sync.Mutex
	errors []error
}

func (*failures) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (f *failures) TraceQueryEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if data.Err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.errors = append(f.errors, data.Err)
	}
}

// The violation of a constraint would be logged with the email.
func TestCreateUser_TakenEmailIsNoErrorOfPostgres(t *testing.T) {
	t.Parallel()
	seen := &failures{}
	pool, err := repository.OpenPool(t.Context(), testkit.DatabaseURL(t), repository.PoolOptions{MaxConns: 20, Tracer: seen})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store := patient(pool)
	var created, taken int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := store.CreateUser(t.Context(), "jo@example.com", "hash", domain.RoleUser)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				created++
			case errors.Is(err, domain.ErrEmailTaken):
				taken++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if created != 1 || taken != 19 || len(seen.errors) > 0 {
		t.Errorf("%d accounts, %d refusals, errors of statements: %v; want 1, 19 and none", created, taken, seen.errors)
	}
	// The constraint does report: what is seen above is not blindness.
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO users (email, email_key, password_hash, role)
		VALUES ('jo@example.com', 'jo@example.com', 'hash', 'user')`); err == nil || len(seen.errors) != 1 {
		t.Errorf("a violation of the constraint: %v, errors of statements: %v", err, seen.errors)
	}
}
