package service

import (
	"crypto/sha256"
	"sync"
	"time"

	"evently/internal/domain"
)

// verifiedTokens remembers tokens that were verified: a client sends the same one with each of its
// requests, and parsing it anew costs more than all else that is done to find a route. A token is
// known by its digest, which is of no use to whoever gets to see it.
//
// There are two generations. When the younger one is full the older one is dropped; what is used
// in between moves up. So the bound is kept to without a list of who was used last.
type verifiedTokens struct {
	mu             sync.Mutex
	younger, older map[[sha256.Size]byte]verifiedToken
}

type verifiedToken struct {
	identity domain.Identity
	expires  time.Time
}

// tokenGeneration is how many tokens a generation holds: two of them take about 2 MB.
const tokenGeneration = 4096

// get gives whom a token was verified for that is good at now.
func (v *verifiedTokens) get(digest [sha256.Size]byte, now time.Time) (domain.Identity, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	token, found := v.younger[digest]
	if !found {
		if token, found = v.older[digest]; found {
			v.keep(digest, token)
		}
	}
	if !found || !now.Before(token.expires) {
		return domain.Identity{}, false
	}
	return token.identity, true
}

// put remembers a token that was verified.
func (v *verifiedTokens) put(digest [sha256.Size]byte, token verifiedToken) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keep(digest, token)
}

func (v *verifiedTokens) keep(digest [sha256.Size]byte, token verifiedToken) {
	if v.younger == nil || len(v.younger) >= tokenGeneration {
		v.older, v.younger = v.younger, map[[sha256.Size]byte]verifiedToken{}
	}
	v.younger[digest] = token
}
