package app

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"evently/internal/config"
	"evently/internal/middleware"
)

// NewLogger gives the logger of the whole process: JSON or text on w, each line of a request
// with its id.
func NewLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	level := cfg.Service.LogLevel
	if cfg.LogJSON() {
		return slog.New(middleware.LogHandler{Handler: slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
	}
	file, ok := w.(*os.File)
	return slog.New(middleware.LogHandler{Handler: tint.NewTextHandler(w, &tint.Options{
		Level:      level,
		TimeFormat: "15:04:05.000",
		NoColor:    !ok || !term.IsTerminal(int(file.Fd())),
	})})
}
