//go:build long

package app_test

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"evently/internal/testkit"
)

// The commands of docs/operations.md make a backup of a busy service and restore it.
func TestRunbook_BackupIsRestored(t *testing.T) {
	runbook, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile("(?s)```sh\n(pg_dump .*?)```").FindSubmatch(runbook)
	if match == nil {
		t.Fatal("docs/operations.md does not say how to restore")
	}
	superuser := testkit.DatabaseURL(t)
	u, err := url.Parse(superuser)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/") + "_restored"
	u.Path = "/" + name
	restored := u.String()
	admin := testkit.Connect(t, superuser)
	t.Cleanup(func() { testkit.Exec(t, admin, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`) })

	redis := "REDIS_URL=" + testkit.RedisURL(t)
	binary := buildBinary(t, filepath.Join("..", ".."))
	first := startProcess(t, binary, "DATABASE_URL="+superuser, redis)
	show := testkit.NewShow(t, admin, testkit.Show{})
	seats := testkit.SeatIDs(t, admin, show)
	clients := startLoad(t, first.url, show, seats[:8], never)
	clients.await(t, "POST 200 ", 50)
	held := registered(t, first.url)
	if got := held.call(http.MethodPost, "/api/v1/bookings/lock", map[string]any{"show_id": show, "seat_ids": seats[8:9]}); got.status != http.StatusOK {
		t.Fatal(got)
	}

	commands := strings.NewReplacer("evently_restored OWNER evently", name+" OWNER "+u.User.Username()).Replace(string(match[1]))
	script := exec.CommandContext(t.Context(), "bash", "-c", "set -euo pipefail\n"+commands)
	script.Dir = t.TempDir()
	script.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"DATABASE_URL="+superuser, "SUPERUSER_URL="+superuser, "RESTORED_URL="+restored)
	out, err := script.CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 0 violation(s)") || strings.Contains(string(out), "pending") {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
	clients.end(t)

	second := startProcess(t, binary, "DATABASE_URL="+restored, "REDIS_URL="+testkit.RedisURL(t), "MIGRATE_ON_START=false")
	if got := held.call(http.MethodGet, "/api/v1/user/bookings", nil); got.status != http.StatusOK {
		t.Error(got)
	}
	held.base = second.url
	if got := held.call(http.MethodGet, "/api/v1/user/bookings", nil); !strings.Contains(string(got.raw), `"PENDING"`) {
		t.Errorf("the hold is lost: %v", got)
	}
	if got := registered(t, second.url).book(show, seats[9]); got.status != http.StatusOK {
		t.Error(got)
	}
	(&boxOffice{pool: testkit.Connect(t, restored)}).audit(t)
}
