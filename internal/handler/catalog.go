package handler

import (
	"context"
	"net/http"
	"strconv"

	"evently/internal/domain"
	"evently/internal/service"
)

// Catalog serves the admin routes for venues and their seats, events and shows.
type Catalog struct {
	catalog *service.Catalog
}

// NewCatalog returns the handlers over catalog.
func NewCatalog(catalog *service.Catalog) *Catalog { return &Catalog{catalog: catalog} }

// logObject has the log line of r name the object that r changes.
func logObject(r *http.Request, kind string, id int64) {
	domain.RequestFrom(r.Context()).Object = kind + ":" + strconv.FormatInt(id, 10)
}

// idAndBody reads the id in the path, of an object of kind, and decodes a body of at most limit bytes into dst.
func idAndBody(w http.ResponseWriter, r *http.Request, kind string, limit int64, dst any) (id int64, err error) {
	if id, err = pathID(r, kind+"_id"); err != nil {
		return 0, err
	}
	logObject(r, kind, id)
	return id, decode(w, r, limit, dst)
}

func errNothingToChange(fields string) error {
	return domain.ErrValidation.WithDetails("body: must have at least one field of " + fields)
}

func deleteByID(
	w http.ResponseWriter, r *http.Request, kind string,
	remove func(ctx context.Context, id int64) error, message string,
) error {
	id, err := pathID(r, kind+"_id")
	if err != nil {
		return err
	}
	logObject(r, kind, id)
	return write(w, http.StatusOK, envelope{"message": message}, remove(r.Context(), id))
}

func listByID[T, DTO any](
	w http.ResponseWriter, r *http.Request, name string,
	load func(ctx context.Context, after int64, limit int) (items []T, more bool, err error),
	dto func(T) DTO, id func(T) int64,
) error {
	list := newList(name)
	q := readQuery(r)
	limit, after := q.limit(), q.afterID(list)
	if q.err != nil {
		return q.err
	}
	items, more, err := load(r.Context(), after, limit)
	response := envelope{name: mapSlice(items, dto), "next_cursor": nil}
	if more {
		response["next_cursor"] = list.cursor(id(items[len(items)-1]))
	}
	return write(w, http.StatusOK, response, err)
}
