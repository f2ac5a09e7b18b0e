package service

import "sync"

// recent remembers the values that were last put or asked for, up to a bound. It is safe for
// concurrent use.
//
// There are two generations. When the younger one is full the older one is dropped; what is asked for
// in between moves up. So the bound is kept to without a list of who was used last.
type recent[K comparable, V any] struct {
	generation int // how many values one of the two generations holds

	mu             sync.Mutex
	younger, older map[K]V
}

func newRecent[K comparable, V any](generation int) *recent[K, V] {
	return &recent[K, V]{generation: generation}
}

// get gives the value of key, if it is remembered.
func (r *recent[K, V]) get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, found := r.younger[key]
	if !found {
		if value, found = r.older[key]; found {
			delete(r.older, key)
			r.keep(key, value)
		}
	}
	return value, found
}

// put remembers the value of key.
func (r *recent[K, V]) put(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(key, value)
}

// drop forgets the value of key.
func (r *recent[K, V]) drop(key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.younger, key)
	delete(r.older, key)
}

// clear forgets all values.
func (r *recent[K, V]) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.younger, r.older = nil, nil
}

func (r *recent[K, V]) keep(key K, value V) {
	if r.younger == nil || len(r.younger) >= r.generation {
		r.older, r.younger = r.younger, map[K]V{}
	}
	r.younger[key] = value
}
