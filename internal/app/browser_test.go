//go:build long

package app_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"evently/internal/testkit"
)

// findBrowser returns the path of a browser. `make test` installs one; without any the test fails.
func findBrowser(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if path := "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; runtime.GOOS == "darwin" {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("there is no browser: .ci/ensure-chromium installs one, as `make test` does")
	return ""
}

// openBrowser returns a tab of a new browser, which ends with the test.
func openBrowser(t testing.TB) context.Context {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(findBrowser(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(45 * time.Second),
	}, flags("disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-default-apps",
		"disable-extensions", "disable-dev-shm-usage", "hide-scrollbars", "mute-audio", "metrics-recording-only")...)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // the sandbox refuses root
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 90*time.Second)
	t.Cleanup(cancel)
	ctx, endBrowser := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(endBrowser)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits for the process
			t.Logf("end the browser: %v", err)
		}
	})
	return ctx
}

func flags(names ...string) []chromedp.ExecAllocatorOption {
	list := make([]chromedp.ExecAllocatorOption, len(names))
	for i, name := range names {
		list[i] = chromedp.Flag(name, true)
	}
	return list
}

// operation returns a JavaScript expression for the block of an operation.
func operation(method, path string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('.opblock-%s')].find(b => b.querySelector('.opblock-summary-path').dataset.path === %q)`,
		strings.ToLower(method), path)
}

// The policy of the page forbids the script that chromedp polls with.
func until(expression string) chromedp.Action[chromedp.Void] {
	ask := chromedp.Evaluate[bool](`(() => { try { return !!(` + expression + `) } catch { return false } })()`)
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			// Evaluation fails while the page is loading.
			if yes, err := ask(ctx, target); err == nil && yes {
				return nil
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("never became true: %s", expression)
			}
		}
	})
}

func do(script string) chromedp.Action[chromedp.Void] {
	run := chromedp.Evaluate[bool](`(() => {` + script + `; return true })()`)
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := run(ctx, target)
		return err
	})
}

func read[T any](expression string, into *T) chromedp.Action[chromedp.Void] {
	ask := chromedp.Evaluate[T](expression)
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
		*into, err = ask(ctx, target)
		return err
	})
}

// typeInto sets a field and fires the events of typing.
func typeInto(element, value string) chromedp.Action[chromedp.Void] {
	return do(fmt.Sprintf(`const e = %s; const d = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(e), 'value');
		d.set.call(e, %q); e.dispatchEvent(new Event('input', {bubbles: true})); e.dispatchEvent(new Event('change', {bubbles: true}))`, element, value))
}

// try opens an operation, fills in its body, executes it, and stores status and body of the response.
func try(method, path, body string, status, got *string) chromedp.Action[chromedp.Void] {
	block := operation(method, path)
	return chromedp.Steps(
		until(block),
		do(`const b = `+block+`; b.scrollIntoView(); if (!b.classList.contains('is-open')) b.querySelector('.opblock-summary-control').click()`),
		until(block+`.querySelector('textarea.body-param__text') && `+block+`.querySelector('button.execute')`),
		typeInto(block+`.querySelector('textarea.body-param__text')`, body),
		until(block+`.querySelector('textarea.body-param__text').value === `+fmt.Sprintf("%q", body)),
		do(block+`.querySelector('button.execute').click()`),
		until(block+`.querySelector('.live-responses-table td.response-col_status')`),
		read(block+`.querySelector('.live-responses-table tbody td.response-col_status').innerText`, status),
		read(block+`.querySelector('.live-responses-table tbody .microlight, .live-responses-table tbody pre').innerText`, got),
	)
}

func size(width, height int64, mobile bool) chromedp.Action[chromedp.Void] {
	if mobile {
		return chromedp.EmulateViewport(width, height, chromedp.EmulateMobile)
	}
	return chromedp.EmulateViewport(width, height)
}

func screenshot(t testing.TB, name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		picture, err := chromedp.CaptureScreenshot()(ctx, target)
		if err != nil {
			return err
		}
		dir := filepath.Join("..", "..", "artifacts")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		t.Log("screenshot", filepath.Join("artifacts", name))
		return os.WriteFile(filepath.Join(dir, name), picture, 0o644)
	})
}

func TestDocs_InABrowser(t *testing.T) {
	t.Parallel()
	i := start(t, "ADMIN_EMAIL=root@example.com", "ADMIN_PASSWORD=root-password")
	ctx := openBrowser(t)
	run := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	var status, got string

	run("open", size(1280, 900, false), chromedp.Navigate(i.url+"/api-docs/"), until(operation("POST", "/api/v1/auth/login")),
		screenshot(t, "api-docs-1280.png"))
	run("log in", try("POST", "/api/v1/auth/login", `{"email":"root@example.com","password":"root-password"}`, &status, &got))
	if !strings.HasPrefix(status, "200") || !strings.Contains(got, `"token"`) {
		t.Fatalf("login: %s %s", status, got)
	}
	_, token, _ := strings.Cut(got, `"token": "`)
	token, _, _ = strings.Cut(token, `"`)

	run("without authorization", try("POST", "/api/v1/admin/venues", `{"venue_name":"Nobody","address":"Nowhere 1"}`, &status, &got))
	if !strings.HasPrefix(status, "401") {
		t.Errorf("venue without Authorize: %s, want 401", status)
	}
	run("authorize",
		do(`document.querySelector('.scheme-container .btn.authorize, .auth-wrapper .btn.authorize').click()`),
		until(`document.querySelector('.auth-container input')`),
		typeInto(`document.querySelector('.auth-container input')`, token),
		do(`document.querySelector('.auth-container .btn.authorize[type=submit], .auth-container button.authorize').click()`),
		until(`[...document.querySelectorAll('.auth-container button')].some(b => b.innerText === 'Logout')`),
		do(`document.querySelector('.auth-container .btn-done, .dialog-ux .close-modal').click()`),
		until(`!document.querySelector('.dialog-ux')`))
	run("create a venue", do(operation("POST", "/api/v1/admin/venues")+`.querySelector('.btn-clear').click()`),
		until(`!`+operation("POST", "/api/v1/admin/venues")+`.querySelector('.live-responses-table')`),
		try("POST", "/api/v1/admin/venues", `{"venue_name":"Browser Hall","address":"Tab Street 1"}`, &status, &got),
		do(operation("POST", "/api/v1/admin/venues")+`.querySelector('.live-responses-table').scrollIntoView({block: 'center'})`),
		screenshot(t, "api-docs-created-1280.png"))
	if !strings.HasPrefix(status, "201") || !strings.Contains(got, "Browser Hall") {
		t.Errorf("venue: %s %s", status, got)
	}
	if n := testkit.Value[int](t, testkit.Connect(t, i.cfg.Database.URL.Reveal()), `SELECT count(*) FROM venues WHERE venue_name = 'Browser Hall'`); n != 1 {
		t.Errorf("%d venues were created, want 1", n)
	}

	var overflow []string
	run("on a phone", size(390, 844, true), chromedp.Reload(), until(operation("POST", "/api/v1/auth/login")),
		// The browser restores the scroll position some time after a reload.
		until(`(scrollTo(0, 0), scrollY === 0)`), screenshot(t, "api-docs-390.png"),
		do(operation("POST", "/api/v1/auth/login")+`.querySelector('.opblock-summary-control').click()`),
		until(operation("POST", "/api/v1/auth/login")+`.querySelector('button.execute')`),
		// Swagger UI itself scrolls to the operation in the address.
		until(`(e => (e.scrollIntoView(), Math.abs(e.getBoundingClientRect().top) < 5))(`+operation("POST", "/api/v1/auth/login")+`)`),
		screenshot(t, "api-docs-open-390.png"),
		read(`document.documentElement.scrollWidth <= 390 ? [] :
			[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 391)
				.slice(0, 10).map(e => e.tagName + '.' + e.className + ' ' + Math.round(e.getBoundingClientRect().right))`, &overflow))
	if len(overflow) > 0 {
		t.Errorf("at 390 px the page is wider than the screen: %q", overflow)
	}
}
