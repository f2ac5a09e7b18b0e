package handler

import (
	"net/http"

	"evently/internal/domain"
	"evently/internal/service"
)

// Auth serves the routes of /auth.
type Auth struct {
	auth      *service.Auth
	hashEmail func(email string) string
}

// NewAuth returns the handlers of /auth. hashEmail is for the log.
func NewAuth(auth *service.Auth, hashEmail func(email string) string) *Auth {
	return &Auth{auth: auth, hashEmail: hashEmail}
}

type registerInput struct {
	Email    string  `json:"email" validate:"required,email"`
	Password string  `json:"password" validate:"required,password"`
	Role     *string `json:"role" validate:"omitnil,role"`
}

// loginInput has no rules for the email and the password: an impossible one is refused like a wrong one.
type loginInput struct {
	Email    string `json:"email" validate:"required"`
	Password string `json:"password" validate:"required"`
}

func (h *Auth) Register(w http.ResponseWriter, r *http.Request) error {
	var in registerInput
	if err := decode(w, r, maxAuthBody, &in); err != nil {
		return err
	}
	if in.Role != nil && *in.Role != string(domain.RoleUser) {
		return domain.ErrAdminRegistration
	}
	session, err := h.auth.Register(r.Context(), in.Email, in.Password)
	return writeSession(w, http.StatusCreated, session, err)
}

func (h *Auth) Login(w http.ResponseWriter, r *http.Request) error {
	var in loginInput
	if err := decode(w, r, maxAuthBody, &in); err != nil {
		return err
	}
	session, err := h.auth.Login(r.Context(), in.Email, in.Password)
	if err != nil {
		domain.RequestFrom(r.Context()).EmailHash = h.hashEmail(in.Email)
	}
	return writeSession(w, http.StatusOK, session, err)
}

func writeSession(w http.ResponseWriter, status int, session service.Session, err error) error {
	w.Header().Set("Cache-Control", "no-store")
	return write(w, status, envelope{"token": session.Token, "user": toUser(session.User)}, err)
}
