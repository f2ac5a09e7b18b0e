//go:build race

package chaos_test

// raceEnabled tells that the tests run with the race detector.
const raceEnabled = true
