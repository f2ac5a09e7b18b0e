package app

import "evently/internal/schedule"

func (a *App) Jobs() []schedule.Entry { return a.jobs() }
