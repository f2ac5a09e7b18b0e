package service

import (
	"fmt"
	"runtime/debug"
)

// guard runs work in a goroutine of a job and returns a panic as an error with its stack: one bad item must
// not end the process.
func guard(work func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return work()
}
