// Package apitest holds real answers against the OpenAPI document. Only tests import it.
package apitest

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"

	"evently/api"
)

// document is loaded once. It is only read afterwards, so tests may share it.
var document = sync.OnceValue(func() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromData(api.YAML())
	if err != nil {
		panic(fmt.Sprintf("load the OpenAPI document: %v", err)) // its own tests say more
	}
	doc.SetNumberFormatValidator("money", openapi3.NewCallbackValidator(twoDecimals))
	return doc
})

// twoDecimals is the rule of the document's format "money". It stands in for multipleOf 0.01,
// which binary fractions break.
func twoDecimals(amount float64) error {
	if math.Round(amount*100)/100 != amount {
		return errors.New("has more than two decimals")
	}
	return nil
}

// Routes lists every operation of the document as "METHOD /path", sorted, with parameters
// written {name}, as chi.Walk gives them.
func Routes() []string {
	var routes []string
	for path, item := range document().Paths.Map() {
		for method := range item.Operations() {
			routes = append(routes, method+" "+path)
		}
	}
	slices.Sort(routes)
	return routes
}

// IsDocumentation reports whether path is the documentation's. The document has no operations for it.
func IsDocumentation(path string) bool {
	return path == "/api-docs" || strings.HasPrefix(path, "/api-docs/")
}

// findRoute gives the operation that answers req. As in chi, and unlike in the routers of
// kin-openapi, a path with the wrong method does not hide a less specific one with the right
// one: GET /bookings/lock is GET /bookings/{booking_id} with a bad id.
func findRoute(req *http.Request) (*routers.Route, map[string]string, error) {
	notFound := routers.ErrPathNotFound
	for _, template := range document().Paths.InMatchingOrder() {
		params, ok := matchPath(template, req.URL.EscapedPath())
		if !ok {
			continue
		}
		item := document().Paths.Value(template)
		operation := item.GetOperation(req.Method)
		if operation == nil {
			notFound = routers.ErrMethodNotAllowed
			continue
		}
		return &routers.Route{
			Spec: document(), Path: template, PathItem: item, Method: req.Method, Operation: operation,
		}, params, nil
	}
	return nil, nil, notFound
}

// matchPath compares segment by segment. A parameter takes one segment that is not empty.
func matchPath(template, path string) (map[string]string, bool) {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	params := map[string]string{}
	for i, segment := range want {
		name, isParam := strings.CutPrefix(segment, "{")
		switch {
		case isParam && have[i] != "":
			params[strings.TrimSuffix(name, "}")] = have[i]
		case segment != have[i]:
			return nil, false
		}
	}
	return params, true
}
