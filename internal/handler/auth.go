package handler

import (
	"context"
	"net/http"
	"net/netip"

	"evently/internal/domain"
	"evently/internal/service"
)

// Auth serves the routes of /auth.
type Auth struct {
	auth       *service.Auth
	challenges challengeChecker
	hashEmail  func(email string) string
}

// challengeChecker checks the challenge that a registration must have solved.
type challengeChecker interface {
	Check(ctx context.Context, response string, addr netip.Addr) error
}

// NewAuth returns the handlers of /auth. Without challenges, which may be nil, anybody can register. hashEmail is for
// the log.
func NewAuth(auth *service.Auth, challenges challengeChecker, hashEmail func(email string) string) *Auth {
	return &Auth{auth: auth, challenges: challenges, hashEmail: hashEmail}
}

type registerInput struct {
	Email    string  `json:"email" validate:"required,email"`
	Password string  `json:"password" validate:"required,password"`
	Role     *string `json:"role" validate:"omitnil,role"`

	Challenge string `json:"challenge" validate:"max=4096"`
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
	if h.challenges != nil {
		if err := h.challenges.Check(r.Context(), in.Challenge, domain.RequestFrom(r.Context()).ClientAddr); err != nil {
			return err
		}
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
