//go:build !long

package waitingroom

// schedules is how many random schedules are tried; `make test-long` tries more.
const schedules = 8
