package service

import (
	"fmt"
	"runtime/debug"
)

// recovered runs fn and returns its panic as an error with the stack, so that work on a goroutine of its own
// cannot end the process.
func recovered(fn func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return fn()
}
