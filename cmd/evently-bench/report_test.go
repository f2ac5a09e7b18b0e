package main

import (
	"strings"
	"testing"
	"time"
)

func TestResult_Met(t *testing.T) {
	tests := []struct {
		name string
		r    result
		want bool
	}{
		{"at the least ratio", result{ratio: 0.5, target: 0.5}, true},
		{"below the least ratio", result{ratio: 0.49, target: 0.5}, false},
		{"at the highest ratio", result{ratio: 1.5, target: 1.5, atMost: true}, true},
		{"above the highest ratio", result{ratio: 1.51, target: 1.5, atMost: true}, false},
		{"within a limit", within("idle", 45<<20, idleBound, megabytes), true},
		{"beyond a limit", within("idle", 45<<20+1, idleBound, megabytes), false},
		{"no ratio at all", result{target: 0.5}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.r.met(); got != tt.want {
				t.Errorf("met() = %t, want %t", got, tt.want)
			}
		})
	}
}

func TestMarkdown_SaysTargetAndVerdict(t *testing.T) {
	got := markdown([]result{
		{
			what: "booking", value: "523 bookings/s", yardstick: "bare: 1046/s", ratio: 0.5, target: 0.5,
			p50: 20 * time.Millisecond, cpu: 600 * time.Microsecond, peak: 60 << 20,
		},
		{what: "create", value: "400ms", yardstick: "psql: 200ms", ratio: 2, target: 1.5, atMost: true},
		within("expiry", 9*time.Second, expiryBound, short),
	})
	want := `| booking | 523 bookings/s | bare: 1046/s | 0.50 | ≥ 0.50 | met | 20ms |  |  | 600µs | 60.0 MB |
| create | 400ms | psql: 200ms | 2.00 | ≤ 1.50 | **missed** |  |  |  |  |  |
| expiry | 9s |  |  | ≤ 12s | met |  |  |  |  |  |

2 of 3 targets met.
`
	_, rows, _ := strings.Cut(got, "|---|---|---|---|---|---|---|---|---|---|---|\n")
	if rows != want {
		t.Errorf("rows:\n%s\nwant:\n%s", rows, want)
	}
}

func TestPeakMemory_IsTheHighestOfAllScenarios(t *testing.T) {
	got := peakMemory([]result{
		{scenario: "booking", peak: 60 << 20}, {scenario: "map-large", peak: 111 << 20}, {scenario: "start"},
	})
	if len(got) != 1 || got[0].met() || got[0].value != "111.0 MB" || !strings.Contains(got[0].what, "map-large") {
		t.Errorf("peakMemory = %+v, want 111 MB in map-large, missed", got)
	}
	if got := peakMemory([]result{{scenario: "start"}}); got != nil {
		t.Errorf("peakMemory without a peak = %+v, want nothing", got)
	}
}

func TestUpdatesMarkdown(t *testing.T) {
	got := updatesMarkdown([]seatUpdates{{scenario: "booking", all: 4, hot: 3}})
	if !strings.HasSuffix(got, "| booking | 4 | 0.750 |\n") {
		t.Errorf("table:\n%s", got)
	}
	if got := updatesMarkdown(nil); got != "" {
		t.Errorf("table without rows = %q, want none", got)
	}
}

func TestWithResults_ReplacesOnlyWhatIsBetweenTheMarks(t *testing.T) {
	got, err := withResults("before\n"+reportBegin+"old\n"+reportEnd+"after\n", "new\n")
	if want := "before\n" + reportBegin + "new\n" + reportEnd + "after\n"; err != nil || got != want {
		t.Errorf("withResults = %q, %v, want %q", got, err, want)
	}
	for _, report := range []string{"", reportBegin, reportEnd + reportBegin} {
		if _, err := withResults(report, "new\n"); err == nil {
			t.Errorf("withResults(%q) returned no error", report)
		}
	}
}

func TestProductionSettings_TurnNothingOff(t *testing.T) {
	for _, setting := range productionSettings {
		name, value, _ := strings.Cut(setting, "=")
		if value == "0" || value == "off" || name == "WAITING_ROOM_MODE" || name == "MAX_SEATS_PER_USER_PER_SHOW" {
			t.Errorf("%s is not a setting that ships", setting)
		}
	}
}
