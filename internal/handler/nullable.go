package handler

import "encoding/json"

// nullable is a field of a request that tells apart what is left out (the zero value), null (Set
// without a Value) and a value.
type nullable[T any] struct {
	Set   bool
	Value *T
}

// UnmarshalJSON is called for null too, and not for a field that is left out.
func (n *nullable[T]) UnmarshalJSON(raw []byte) error {
	n.Set = true
	return json.Unmarshal(raw, &n.Value)
}
