package service_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/service"
)

// epochStore is a service.EpochStore of rows in the order of their changes.
type epochStore struct {
	rows  []domain.Epoch
	now   time.Time
	reads int
	err   error
}

func (s *epochStore) ChangedEpochs(_ context.Context, after domain.Epoch, limit int) ([]domain.Epoch, time.Time, error) {
	s.reads++
	var found []domain.Epoch
	for _, row := range s.rows {
		later := row.ChangedAt.After(after.ChangedAt) || row.ChangedAt.Equal(after.ChangedAt) && row.UserID > after.UserID
		if later && len(found) < limit {
			found = append(found, row)
		}
	}
	return found, s.now, s.err
}

func TestEpochs_EndedTokensAreKnownWithoutAQuery(t *testing.T) {
	t.Parallel()
	store := &epochStore{now: noon, rows: []domain.Epoch{{UserID: 7, Epoch: 2, ChangedAt: noon.Add(-time.Hour)}}}
	epochs := service.NewEpochs(store, 24*time.Hour)
	if n, err := epochs.Refresh(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	tokens, err := service.NewTokens(service.TokensConfig{
		Secrets: []string{tokenSecret}, Epochs: epochs, Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	old, current, other := jo, jo, jo
	old.Epoch, current.Epoch, other.ID = 1, 2, 8
	reads := store.reads
	for range 2 { // the second time from the cache of verified tokens
		if _, err := tokens.Verify(issueToken(t, tokens, old)); !errors.Is(err, domain.ErrUnauthorized) {
			t.Errorf("an ended token: %v", err)
		}
		for _, user := range []domain.User{current, other} {
			if _, err := tokens.Verify(issueToken(t, tokens, user)); err != nil {
				t.Errorf("user %d: %v", user.ID, err)
			}
		}
	}
	epochs.Learn(8, 1)
	if _, err := tokens.Verify(issueToken(t, tokens, other)); !errors.Is(err, domain.ErrUnauthorized) {
		t.Errorf("a token that this instance has ended: %v", err)
	}
	if store.reads != reads {
		t.Errorf("%d queries", store.reads-reads)
	}
}

// A change gets its time before it is committed, so another may be seen before it.
func TestEpochs_ChangeThatIsCommittedLateIsSeen(t *testing.T) {
	t.Parallel()
	store := &epochStore{now: noon, rows: []domain.Epoch{{UserID: 1, Epoch: 1, ChangedAt: noon}}}
	epochs := service.NewEpochs(store, 24*time.Hour)
	if _, err := epochs.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := domain.Epoch{UserID: 2, Epoch: 1, ChangedAt: noon.Add(-20 * time.Second)}
	store.rows = append([]domain.Epoch{late}, store.rows...)
	if n, err := epochs.Refresh(t.Context()); n != 1 || err != nil || !epochs.Ended(domain.Identity{UserID: 2}) {
		t.Errorf("learned %d, %v", n, err)
	}
}

func TestEpochs_ReadsAllPagesAndForgetsExpired(t *testing.T) {
	t.Parallel()
	store := &epochStore{now: noon}
	for id := range int64(10_001) {
		store.rows = append(store.rows, domain.Epoch{UserID: id + 1, Epoch: 1, ChangedAt: noon})
	}
	epochs := service.NewEpochs(store, time.Hour)
	if n, err := epochs.Refresh(t.Context()); n != 10_001 || err != nil || store.reads != 2 {
		t.Fatalf("learned %d with %d reads, %v", n, store.reads, err)
	}
	store.now = noon.Add(2 * time.Hour)
	store.rows = nil
	if _, err := epochs.Refresh(t.Context()); err != nil || epochs.Ended(domain.Identity{UserID: 1}) {
		t.Errorf("an epoch that no token can have is kept: %v", err)
	}
}

func TestEpochs_FailureKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	store := &epochStore{now: noon, rows: []domain.Epoch{{UserID: 1, Epoch: 1, ChangedAt: noon}}}
	epochs := service.NewEpochs(store, time.Hour)
	if _, err := epochs.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.err = domain.ErrDatabaseUnavailable
	if _, err := epochs.Refresh(t.Context()); !errors.Is(err, store.err) || !epochs.Ended(domain.Identity{UserID: 1}) {
		t.Errorf("after a failure: %v", err)
	}
}
