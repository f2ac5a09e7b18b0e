//go:build long

package waitingroom

// schedules is how many random schedules are tried.
const schedules = 200
