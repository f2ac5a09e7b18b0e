package service

import (
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// Work counts the hashing that Passwords did.
type Work struct {
	Hashes, Comparisons atomic.Int64
	// Cost is that of the last hash that was compared with.
	Cost atomic.Int64
}

// Observe counts the hashing that p does from now on.
func Observe(p *Passwords) *Work {
	work := &Work{}
	generate, compare := p.generate, p.compare
	p.generate = func(password []byte, cost int) ([]byte, error) {
		work.Hashes.Add(1)
		return generate(password, cost)
	}
	p.compare = func(hash, password []byte) error {
		work.Comparisons.Add(1)
		cost, err := bcrypt.Cost(hash)
		if err != nil {
			return err
		}
		work.Cost.Store(int64(cost))
		return compare(hash, password)
	}
	return work
}

// Replace makes p call hash instead of bcrypt, for hashing and for comparing.
func Replace(p *Passwords, hash func() error) {
	p.generate = func([]byte, int) ([]byte, error) { return []byte("hash"), hash() }
	p.compare = func([]byte, []byte) error { return hash() }
}
