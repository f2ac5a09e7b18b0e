package service

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/crypto/bcrypt"

	"evently/internal/domain"
)

// PasswordsConfig bounds the work of hashing. A zero is the default.
type PasswordsConfig struct {
	// Cost is the bcrypt cost; the default is 10, the least that OWASP advises.
	Cost int
	// Parallel is how many hashes run at once. The default is half of GOMAXPROCS: the rest is for bookings.
	Parallel int
	// MaxWait is how long a caller waits for a turn. The default is 10 s.
	MaxWait time.Duration
}

// fastestHash is less than any processor takes for a hash. It bounds the queue to the callers who may get a turn.
const fastestHash = 20 * time.Millisecond

const overloadedRetry = 2 * time.Second

// defaultDecoy is the hash of an unknown random text at the default cost; computing one would slow down the start.
const defaultDecoy = "$2a$10$WQakooZYhHAnzhVTXeLareywLT5/NOhgxGPF0LJcC9yjN6FKMYyM2"

// Passwords hashes and verifies passwords with bcrypt, a bounded number at a time; client networks take turns. It is safe for
// concurrent use.
type Passwords struct {
	cost  int
	turns *turns

	decoy    []byte // a hash of an unknown password
	generate func(password []byte, cost int) ([]byte, error)
	compare  func(hash, password []byte) error
}

// NewPasswords returns Passwords. A cost that bcrypt does not have is an error.
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
	if config.MaxWait <= 0 {
		config.MaxWait = 10 * time.Second
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
		turns:    newTurns(config.Parallel, config.Parallel*int(config.MaxWait/fastestHash+1), config.MaxWait),
		decoy:    decoy,
		generate: bcrypt.GenerateFromPassword,
		compare:  bcrypt.CompareHashAndPassword,
	}, nil
}

// Hash returns the bcrypt hash of a password of at most 72 bytes, or domain.ErrOverloaded.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if err := p.turns.acquire(ctx); err != nil {
		return "", err
	}
	defer p.turns.release()
	hash, err := p.generate([]byte(password), p.cost)
	if err != nil {
		return "", domain.ErrInternal.WithCause(err)
	}
	return string(hash), nil
}

// Verify reports whether password matches hash, or returns domain.ErrOverloaded. A malformed hash, such as that of an
// unknown account, costs the same work.
func (p *Passwords) Verify(ctx context.Context, hash, password string) (bool, error) {
	stored := []byte(hash)
	_, err := bcrypt.Cost(stored)
	usable := err == nil
	if !usable {
		stored = p.decoy
	}
	if err := p.turns.acquire(ctx); err != nil {
		return false, err
	}
	defer p.turns.release()
	matches := p.compare(stored, []byte(password)) == nil
	return matches && usable && domain.HashablePassword(password), nil
}

// Outdated reports whether hash has another cost than the configured one.
func (p *Passwords) Outdated(hash string) bool {
	cost, err := bcrypt.Cost([]byte(hash))
	return err == nil && cost != p.cost
}

func overloaded(cause error) error {
	return domain.ErrOverloaded.WithRetryAfter(overloadedRetry).WithCause(cause)
}
