package domain

import "time"

// UserChange changes the fields of an account that are not nil.
type UserChange struct {
	Role    *Role
	Blocked *bool
}

// Apply returns the changed user, whose tokens have ended if anything changed.
func (c UserChange) Apply(u User) User {
	before := u
	if c.Role != nil {
		u.Role = *c.Role
	}
	if c.Blocked != nil {
		u.Blocked = *c.Blocked
	}
	if u != before {
		u.Epoch++
	}
	return u
}

// IsActiveAdmin reports whether the user can do what only administrators can.
func (u User) IsActiveAdmin() bool { return u.Role == RoleAdmin && !u.Blocked }

// Epoch is the smallest epoch of a user's access tokens that have not ended.
type Epoch struct {
	UserID    int64
	Epoch     int32
	ChangedAt time.Time // on the database's clock
}
