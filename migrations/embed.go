// Package migrations carries the database schema as goose SQL files.
// A shipped file is never edited: a change is a new file.
package migrations

import "embed"

// FS holds every migration of this binary, named NNNNN_what_it_does.sql.
//
//go:embed *.sql
var FS embed.FS
