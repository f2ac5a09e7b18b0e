package cache

import "container/list"

// lru keeps values by key within a bound of bytes: those that were not used for the longest time
// make room. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	bound, used int64
	order       *list.List // the last used one first
	places      map[K]*list.Element
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
	size  int64
}

func newLRU[K comparable, V any](bound int64) *lru[K, V] {
	return &lru[K, V]{bound: bound, order: list.New(), places: map[K]*list.Element{}}
}

func (l *lru[K, V]) item(e *list.Element) *lruItem[K, V] {
	item, _ := e.Value.(*lruItem[K, V]) // nothing else is ever put in
	return item
}

// get gives the value of key and notes that it was used.
func (l *lru[K, V]) get(key K) (value V, found bool) {
	e, found := l.places[key]
	if !found {
		return value, false
	}
	l.order.MoveToFront(e)
	return l.item(e).value, true
}

// put keeps a value that takes size bytes. One that is over the bound by itself is kept until the
// next one comes.
func (l *lru[K, V]) put(key K, value V, size int64) {
	if e, found := l.places[key]; found {
		item := l.item(e)
		l.used += size - item.size
		item.value, item.size = value, size
		l.order.MoveToFront(e)
	} else {
		l.places[key] = l.order.PushFront(&lruItem[K, V]{key: key, value: value, size: size})
		l.used += size
	}
	for l.used > l.bound && l.order.Len() > 1 {
		l.remove(l.order.Back())
	}
}

func (l *lru[K, V]) remove(e *list.Element) {
	item := l.item(e)
	l.order.Remove(e)
	delete(l.places, item.key)
	l.used -= item.size
}

// drop forgets key.
func (l *lru[K, V]) drop(key K) {
	if e, found := l.places[key]; found {
		l.remove(e)
	}
}

// all gives every value.
func (l *lru[K, V]) all() []V {
	values := make([]V, 0, l.order.Len())
	for e := l.order.Front(); e != nil; e = e.Next() {
		values = append(values, l.item(e).value)
	}
	return values
}
