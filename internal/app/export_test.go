package app

import "evently/internal/schedule"

// Jobs gives what runs by the clock.
func (a *App) Jobs() []schedule.Entry { return a.jobs() }
