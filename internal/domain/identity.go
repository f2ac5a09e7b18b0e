package domain

// Identity is the user of a verified access token, as of the time the token was issued: a role that changes later
// shows in the next token.
type Identity struct {
	UserID int64
	Email  string
	Role   Role
}

func (r Role) Known() bool { return r == RoleUser || r == RoleAdmin }
