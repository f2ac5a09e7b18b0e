package repository_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

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
