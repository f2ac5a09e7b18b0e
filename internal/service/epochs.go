package service

import (
	"context"
	"maps"
	"sync"
	"time"

	"evently/internal/domain"
)

// EpochStore tells which access tokens have ended.
type EpochStore interface {
	// ChangedEpochs returns up to limit epochs that changed after the given one, in the order of their
	// changes, and the database's time before it looked.
	ChangedEpochs(ctx context.Context, after domain.Epoch, limit int) (epochs []domain.Epoch, now time.Time, err error)
}

const (
	// epochBatch is how many epochs are read at once.
	epochBatch = 10_000
	// commitDelay is how long after its time a change may be committed, and so be seen.
	commitDelay = 30 * time.Second
)

// Epochs knows which access tokens have ended before they expire. Requests are checked in memory; Refresh,
// which every instance runs every two seconds, asks PostgreSQL what has changed. An Epochs is safe for
// concurrent use.
type Epochs struct {
	store EpochStore
	keep  time.Duration

	mu      sync.RWMutex
	current map[int64]domain.Epoch
	seen    time.Time // the database's time up to which changes are known
}

// NewEpochs returns Epochs that know nothing until the first Refresh. They forget changes after keep, the
// longest life of a token.
func NewEpochs(store EpochStore, keep time.Duration) *Epochs {
	return &Epochs{store: store, keep: keep, current: map[int64]domain.Epoch{}}
}

// Ended reports whether the token of an identity has ended.
func (e *Epochs) Ended(identity domain.Identity) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return identity.Epoch < e.current[identity.UserID].Epoch
}

// Learn tells of a change that this instance has committed.
func (e *Epochs) Learn(userID int64, epoch int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn(domain.Epoch{UserID: userID, Epoch: epoch, ChangedAt: e.seen})
}

// learn reports whether the epoch was new. e.mu is held.
func (e *Epochs) learn(epoch domain.Epoch) bool {
	known, found := e.current[epoch.UserID]
	if found && known.Epoch >= epoch.Epoch {
		return false
	}
	e.current[epoch.UserID] = epoch
	return true
}

// Refresh reads what has changed since the last Refresh, and returns how many epochs were new.
func (e *Epochs) Refresh(ctx context.Context) (int, error) {
	e.mu.RLock()
	seen := e.seen
	e.mu.RUnlock()
	after, learned := domain.Epoch{ChangedAt: seen.Add(-commitDelay)}, 0
	for {
		changed, now, err := e.store.ChangedEpochs(ctx, after, epochBatch)
		if err != nil {
			return learned, err
		}
		learned += e.add(changed)
		if len(changed) < epochBatch {
			e.advance(now)
			return learned, nil
		}
		after = changed[len(changed)-1]
	}
}

func (e *Epochs) add(changed []domain.Epoch) (learned int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, epoch := range changed {
		if e.learn(epoch) {
			learned++
		}
	}
	return learned
}

// advance records that everything up to now is known, and forgets what no token can have any more.
func (e *Epochs) advance(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = now
	maps.DeleteFunc(e.current, func(_ int64, epoch domain.Epoch) bool {
		return !epoch.ChangedAt.IsZero() && now.Sub(epoch.ChangedAt) > e.keep+commitDelay
	})
}
