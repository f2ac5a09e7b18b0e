package handler

import (
	"net/http"

	"evently/internal/domain"
	"evently/internal/service"
)

// Accounts serves the routes of accounts that exist: one's own and, for admins, all.
type Accounts struct {
	accounts *service.Accounts
}

// NewAccounts returns Accounts over accounts.
func NewAccounts(accounts *service.Accounts) *Accounts { return &Accounts{accounts: accounts} }

type changePasswordRequest struct {
	CurrentPassword string `json:"current_password" validate:"required"`
	NewPassword     string `json:"new_password" validate:"required,password"`
}

type closeAccountRequest struct {
	Password string `json:"password" validate:"required"`
}

type updateUserRequest struct {
	Role    *string `json:"role" validate:"omitnil,oneof=user staff admin"`
	Blocked *bool   `json:"blocked"`
}

type managedUserDTO struct {
	userDTO
	Blocked bool `json:"blocked"`
}

func toManagedUser(u domain.User) managedUserDTO {
	return managedUserDTO{userDTO: toUser(u), Blocked: u.Blocked}
}

// Me serves GET /auth/me.
func (h *Accounts) Me(w http.ResponseWriter, r *http.Request) error {
	id, err := signedIn(r)
	if err != nil {
		return err
	}
	user, err := h.accounts.User(r.Context(), id)
	return write(w, http.StatusOK, envelope{"user": toUser(user)}, err)
}

// ChangePassword serves PUT /auth/password.
func (h *Accounts) ChangePassword(w http.ResponseWriter, r *http.Request) error {
	id, err := signedIn(r)
	if err != nil {
		return err
	}
	var in changePasswordRequest
	if err := decode(w, r, maxAuthBody, &in); err != nil {
		return err
	}
	session, err := h.accounts.ChangePassword(r.Context(), id, in.CurrentPassword, in.NewPassword)
	w.Header().Set("Cache-Control", "no-store")
	return write(w, http.StatusOK, envelope{"token": session.Token}, err)
}

// Logout serves POST /auth/logout.
func (h *Accounts) Logout(w http.ResponseWriter, r *http.Request) error {
	id, err := signedIn(r)
	if err != nil {
		return err
	}
	if err := h.accounts.Logout(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Close serves DELETE /auth/me.
func (h *Accounts) Close(w http.ResponseWriter, r *http.Request) error {
	id, err := signedIn(r)
	if err != nil {
		return err
	}
	var in closeAccountRequest
	if err := decode(w, r, maxAuthBody, &in); err != nil {
		return err
	}
	if err := h.accounts.Close(r.Context(), id, in.Password); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// List serves GET /admin/users.
func (h *Accounts) List(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	email := q.text("email")
	list := newList("users", email)
	limit, after := q.limit(), q.afterID(list)
	if q.err != nil {
		return q.err
	}
	users, more, err := h.accounts.List(r.Context(), email, after, limit)
	response := envelope{"users": mapSlice(users, toManagedUser), "next_cursor": nil}
	if more {
		response["next_cursor"] = list.cursor(users[len(users)-1].ID)
	}
	return write(w, http.StatusOK, response, err)
}

// Update serves PUT /admin/users/{user_id}.
func (h *Accounts) Update(w http.ResponseWriter, r *http.Request) error {
	var in updateUserRequest
	id, err := idAndBody(w, r, "user", maxBody, &in)
	if err != nil {
		return err
	}
	if in.Role == nil && in.Blocked == nil {
		return errNothingToChange("role, blocked")
	}
	change := domain.UserChange{Blocked: in.Blocked}
	if in.Role != nil {
		role := domain.Role(*in.Role)
		change.Role = &role
	}
	user, err := h.accounts.Update(r.Context(), id, change)
	return write(w, http.StatusOK, envelope{"user": toManagedUser(user)}, err)
}
