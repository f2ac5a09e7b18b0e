package service

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"evently/internal/domain"
)

// PasswordsConfig bounds the work of hashing. Every zero means its default.
type PasswordsConfig struct {
	// Cost is bcrypt's: each step doubles the work. The default is 10, the least that OWASP
	// advises: about 50 ms, whereas 12 would let two cores check under ten logins a second.
	Cost int
	// Parallel is how many hashes run at once. The default is half of the processors, at
	// least one: hashing never waits, so what it is not kept from it takes from bookings.
	Parallel int
	// Queue is how many callers may wait for their turn. The default is 64.
	Queue int
	// MaxWait is how long one of them waits. The default is 3 s.
	MaxWait time.Duration
}

// overloadedRetry is when a caller who was turned away should come back: by then the most part
// of a full queue is done.
const overloadedRetry = 2 * time.Second

// defaultDecoy is the hash, at the default cost, of random text that was thrown away: making one
// would be a good part of the time that a start takes.
const defaultDecoy = "$2a$10$WQakooZYhHAnzhVTXeLareywLT5/NOhgxGPF0LJcC9yjN6FKMYyM2"

// Passwords hashes and verifies passwords with bcrypt, a bounded number at a time. It is safe
// for concurrent use.
type Passwords struct {
	cost    int
	maxWait time.Duration
	queue   int64
	waiting atomic.Int64
	slots   chan struct{}

	// decoy is a hash that no password is known for.
	decoy    []byte
	generate func(password []byte, cost int) ([]byte, error)
	compare  func(hash, password []byte) error
}

// NewPasswords gives Passwords within the bounds of config. At another cost than the
// default it computes one hash. A cost that bcrypt does not have is an error.
func NewPasswords(config PasswordsConfig) (*Passwords, error) {
	if config.Cost == 0 {
		config.Cost = bcrypt.DefaultCost
	}
	if config.Cost < bcrypt.MinCost || config.Cost > bcrypt.MaxCost {
		return nil, fmt.Errorf("bcrypt cost %d is not from %d to %d", config.Cost, bcrypt.MinCost, bcrypt.MaxCost)
	}
	if config.Parallel <= 0 {
		config.Parallel = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if config.Queue <= 0 {
		config.Queue = 64
	}
	if config.MaxWait <= 0 {
		config.MaxWait = 3 * time.Second
	}
	decoy := []byte(defaultDecoy)
	if config.Cost != bcrypt.DefaultCost {
		var err error
		if decoy, err = bcrypt.GenerateFromPassword([]byte("nobody has this password"), config.Cost); err != nil {
			return nil, fmt.Errorf("hash the decoy: %w", err)
		}
	}
	return &Passwords{
		cost:     config.Cost,
		maxWait:  config.MaxWait,
		queue:    int64(config.Queue),
		slots:    make(chan struct{}, config.Parallel),
		decoy:    decoy,
		generate: bcrypt.GenerateFromPassword,
		compare:  bcrypt.CompareHashAndPassword,
	}, nil
}

// Hash gives the bcrypt hash of a password of at most 72 bytes. With too many hashes under way
// it is domain.ErrOverloaded.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if err := p.acquire(ctx); err != nil {
		return "", err
	}
	defer p.release()
	hash, err := p.generate([]byte(password), p.cost)
	if err != nil {
		return "", domain.ErrInternal.WithCause(err)
	}
	return string(hash), nil
}

// Verify reports whether password is the one that was hashed. A hash that is none, such as the
// empty one of an account that does not exist, costs the same work and matches nothing. With
// too many hashes under way it is domain.ErrOverloaded.
func (p *Passwords) Verify(ctx context.Context, hash, password string) (bool, error) {
	stored := []byte(hash)
	_, err := bcrypt.Cost(stored)
	usable := err == nil
	if !usable {
		stored = p.decoy
	}
	if err := p.acquire(ctx); err != nil {
		return false, err
	}
	defer p.release()
	matches := p.compare(stored, []byte(password)) == nil
	// bcrypt compares the first 72 bytes alone; what is longer was never anybody's password.
	return matches && usable && len(password) <= domain.MaxPassword, nil
}

// Outdated reports whether hash was made at another cost than is configured now.
func (p *Passwords) Outdated(hash string) bool {
	cost, err := bcrypt.Cost([]byte(hash))
	return err == nil && cost != p.cost
}

// acquire takes one of the slots; those who wait for one get it in the order in which they came.
func (p *Passwords) acquire(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > p.queue {
		return overloaded(errors.New("the queue for password hashing is full"))
	}
	timeout := time.NewTimer(p.maxWait)
	defer timeout.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-timeout.C:
		return overloaded(fmt.Errorf("no turn to hash a password within %s", p.maxWait))
	case <-ctx.Done():
		err := fmt.Errorf("wait to hash a password: %w", context.Cause(ctx))
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return overloaded(err)
		}
		return err
	}
}

func (p *Passwords) release() { <-p.slots }

func overloaded(cause error) error {
	return domain.ErrOverloaded.WithRetryAfter(overloadedRetry).WithCause(cause)
}
