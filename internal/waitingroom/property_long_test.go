//go:build long

package waitingroom

func init() { schedules = 200 }
