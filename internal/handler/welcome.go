package handler

import (
	"net/http"

	"evently/internal/respond"
)

// Welcome returns the handler of GET /.
func Welcome(version string) respond.Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		return respond.JSON(w, http.StatusOK, envelope{
			"name":        "Evently",
			"version":     version,
			"description": "Seat booking for shows",
			"links": envelope{
				"documentation": "/api-docs/",
				"openapi":       "/api-docs/openapi.yaml",
				"health":        "/health",
				"shows":         "/api/v1/shows",
			},
		})
	}
}
