package rediskit

import (
	"fmt"
	"log/slog"
	"strings"
)

// AsynqLogger passes the lines of asynq to slog, those about an outage of Redis at debug: the outage has its
// own line, and asynq polls several times a second.
type AsynqLogger struct {
	log    *slog.Logger
	client *Client
}

// NewAsynqLogger returns the logger of an asynq server over client.
func NewAsynqLogger(log *slog.Logger, client *Client) AsynqLogger {
	return AsynqLogger{log: log, client: client}
}

func (l AsynqLogger) Debug(args ...any) { l.log.Debug("asynq", "text", fmt.Sprint(args...)) }
func (l AsynqLogger) Info(args ...any)  { l.log.Info("asynq", "text", fmt.Sprint(args...)) }
func (l AsynqLogger) Warn(args ...any)  { l.problem(l.log.Warn, args) }
func (l AsynqLogger) Error(args ...any) { l.problem(l.log.Error, args) }

// Fatal does not end the process: that is not for a library to decide.
func (l AsynqLogger) Fatal(args ...any) { l.problem(l.log.Error, args) }

func (l AsynqLogger) problem(log func(string, ...any), args []any) {
	text := fmt.Sprint(args...) // asynq passes texts, not errors
	// Its subscriptions do not pass the circuit breaker.
	refused := strings.Contains(text, "NOAUTH ") || strings.Contains(text, "WRONGPASS ") || strings.Contains(text, "NOPERM ")
	if refused || strings.Contains(text, ErrUnavailable.Error()) || !l.client.Available() {
		log = l.log.Debug
	}
	log("asynq", "text", text)
}
