package handler

import (
	"net/http"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
)

// Auth serves the routes of /auth.
type Auth struct {
	auth *service.Auth
}

// NewAuth returns the handlers of /auth.
func NewAuth(auth *service.Auth) *Auth { return &Auth{auth: auth} }

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

type sessionDTO struct {
	Token string  `json:"token"`
	User  userDTO `json:"user"`
}

// Register serves POST /auth/register.
func (h *Auth) Register(w http.ResponseWriter, r *http.Request) error {
	var in registerInput
	if err := decode(w, r, maxBody, &in); err != nil {
		return err
	}
	if in.Role != nil && *in.Role != string(domain.RoleUser) {
		return domain.ErrAdminRegistration
	}
	session, err := h.auth.Register(r.Context(), in.Email, in.Password)
	if err != nil {
		return err
	}
	return writeSession(w, http.StatusCreated, session)
}

// Login serves POST /auth/login.
func (h *Auth) Login(w http.ResponseWriter, r *http.Request) error {
	var in loginInput
	if err := decode(w, r, maxBody, &in); err != nil {
		return err
	}
	session, err := h.auth.Login(r.Context(), in.Email, in.Password)
	if err != nil {
		return err
	}
	return writeSession(w, http.StatusOK, session)
}

func writeSession(w http.ResponseWriter, status int, session service.Session) error {
	w.Header().Set("Cache-Control", "no-store")
	return respond.JSON(w, status, sessionDTO{Token: session.Token, User: toUser(session.User)})
}
