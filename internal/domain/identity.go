package domain

import "time"

// Identity is the user of a verified access token, as of the time the token was issued.
type Identity struct {
	UserID  int64
	Email   string
	Role    Role
	Epoch   int32
	Expires time.Time
}

// Known reports whether r is one of the roles.
func (r Role) Known() bool { return r == RoleUser || r == RoleStaff || r == RoleAdmin }
