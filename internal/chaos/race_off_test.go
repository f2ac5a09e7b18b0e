//go:build !race

package chaos_test

// raceEnabled tells that the tests run without the race detector.
const raceEnabled = false
