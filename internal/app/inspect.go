package app

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/schema"
	"evently/internal/service"
)

type schemaInspector struct{ pool *pgxpool.Pool }

// InspectSchema sets only the expected version when it fails.
func (s schemaInspector) InspectSchema(ctx context.Context) (service.SchemaState, error) {
	state := service.SchemaState{Expected: schema.Expected()}
	applied, err := schema.Applied(ctx, s.pool)
	if err != nil {
		return state, err
	}
	missing, err := schema.FindMissing(ctx, s.pool)
	if err != nil {
		return state, err
	}
	state.Applied = applied
	state.MissingTables = missing["table"]
	state.MissingTypes = missing["type"]
	state.MissingIndexes = missing["index"]
	state.MissingConstraints = missing["constraint"]
	return state, nil
}
