package handler

import (
	"context"
	"net/http"
	"time"

	"evently/internal/respond"
	"evently/internal/service"
)

type healthService interface {
	Report(ctx context.Context) service.HealthReport
	Ready(ctx context.Context) service.HealthStatus
	Schema(ctx context.Context) (service.HealthStatus, service.SchemaState)
}

// Health serves the health routes.
type Health struct {
	health healthService
}

// NewHealth returns the health handlers.
func NewHealth(health healthService) *Health { return &Health{health: health} }

const healthRetryAfter = "2" // seconds

type healthCheckDTO struct {
	Status    service.HealthStatus `json:"status"`
	LatencyMS float64              `json:"latency_ms"`
}

type redisCheckDTO struct {
	healthCheckDTO
	MaxmemoryPolicy string `json:"maxmemory_policy,omitempty"`
}

type schemaCheckDTO struct {
	healthCheckDTO
	ExpectedVersion *int64 `json:"expected_version,omitempty"`
	AppliedVersion  *int64 `json:"applied_version,omitempty"`
}

type healthDTO struct {
	Status          service.HealthStatus `json:"status"`
	Timestamp       time.Time            `json:"timestamp"`
	Version         string               `json:"version"`
	UptimeSeconds   float64              `json:"uptime_seconds"`
	PaymentProvider string               `json:"payment_provider"`
	Checks          healthChecksDTO      `json:"checks"`
}

type healthChecksDTO struct {
	Database healthCheckDTO `json:"database"`
	Redis    redisCheckDTO  `json:"redis"`
	Queue    healthCheckDTO `json:"queue"`
	Schema   schemaCheckDTO `json:"schema"`
}

func toHealthCheck(c service.HealthCheck) healthCheckDTO {
	return healthCheckDTO{Status: c.Status, LatencyMS: float64(c.Latency.Microseconds()) / 1000}
}

type schemaHealthDTO struct {
	Status             service.HealthStatus `json:"status"`
	ExpectedVersion    int64                `json:"expected_version"`
	AppliedVersion     *int64               `json:"applied_version"`
	MissingTables      []string             `json:"missing_tables"`
	MissingTypes       []string             `json:"missing_types"`
	MissingIndexes     []string             `json:"missing_indexes"`
	MissingConstraints []string             `json:"missing_constraints"`
}

// Report serves GET /health.
func (h *Health) Report(w http.ResponseWriter, r *http.Request) error {
	report := h.health.Report(r.Context())
	schema := schemaCheckDTO{healthCheckDTO: toHealthCheck(report.Schema)}
	if report.State != nil {
		schema.ExpectedVersion, schema.AppliedVersion = &report.State.Expected, &report.State.Applied
	}
	return writeHealth(w, report.Status != service.HealthDown, healthDTO{
		Status:          report.Status,
		Timestamp:       report.Time.UTC(),
		Version:         report.Version,
		UptimeSeconds:   float64(report.Uptime.Milliseconds()) / 1000,
		PaymentProvider: report.Payments,
		Checks: healthChecksDTO{
			Database: toHealthCheck(report.Database),
			Redis:    redisCheckDTO{toHealthCheck(report.Redis), report.RedisHas.MaxmemoryPolicy},
			Queue:    toHealthCheck(report.Queue),
			Schema:   schema,
		},
	})
}

// Live serves GET /health/live. It checks no store: a restart would not bring one back.
func (h *Health) Live(w http.ResponseWriter, _ *http.Request) error {
	return writeHealth(w, true, envelope{"status": service.HealthOK})
}

// Ready serves GET /health/ready.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) error {
	status := h.health.Ready(r.Context())
	return writeHealth(w, status == service.HealthOK, envelope{"status": status})
}

// Schema serves GET /health/schema.
func (h *Health) Schema(w http.ResponseWriter, r *http.Request) error {
	status, state := h.health.Schema(r.Context())
	response := schemaHealthDTO{
		Status:             status,
		ExpectedVersion:    state.Expected,
		MissingTables:      orEmpty(state.MissingTables),
		MissingTypes:       orEmpty(state.MissingTypes),
		MissingIndexes:     orEmpty(state.MissingIndexes),
		MissingConstraints: orEmpty(state.MissingConstraints),
	}
	if status != service.HealthDown {
		response.AppliedVersion = &state.Applied
	}
	return writeHealth(w, status == service.HealthOK, response)
}

// orEmpty replaces nil, which would be encoded as null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func writeHealth(w http.ResponseWriter, well bool, document any) error {
	w.Header().Set("Cache-Control", "no-store")
	if well {
		return respond.JSON(w, http.StatusOK, document)
	}
	w.Header().Set("Retry-After", healthRetryAfter)
	return respond.JSON(w, http.StatusServiceUnavailable, document)
}
