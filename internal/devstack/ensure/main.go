// Command ensure installs PostgreSQL and Redis where they are missing, with the system's package manager.
package main

import (
	"context"
	"log/slog"
	"os"

	"evently/internal/devstack"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := devstack.Ensure(context.Background(), log); err != nil {
		log.Error("tests need a PostgreSQL", "error", err)
		os.Exit(1)
	}
}
