package handler

import (
	"net/http"

	"evently/internal/respond"
)

type welcomeDTO struct {
	Name        string          `json:"name"`
	Version     string          `json:"version"`
	Description string          `json:"description"`
	Links       welcomeLinksDTO `json:"links"`
}

type welcomeLinksDTO struct {
	Documentation string `json:"documentation"`
	OpenAPI       string `json:"openapi"`
	Health        string `json:"health"`
	Shows         string `json:"shows"`
}

// Welcome returns the handler of GET /.
func Welcome(version string) respond.Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		return respond.JSON(w, http.StatusOK, welcomeDTO{
			Name:        "Evently",
			Version:     version,
			Description: "Seat booking for shows",
			Links: welcomeLinksDTO{
				Documentation: "/api-docs/",
				OpenAPI:       "/api-docs/openapi.yaml",
				Health:        "/health",
				Shows:         "/api/v1/shows",
			},
		})
	}
}
